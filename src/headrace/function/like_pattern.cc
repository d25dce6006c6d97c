// Matching: anchored ends are compared, what is between is found leftmost, which is always right.
#include "headrace/function/like_pattern.h"

#include <cstring>

#include "headrace/function/code_points.h"

namespace headrace {
namespace {

constexpr size_t kNoMatch = std::string_view::npos;
/// Behind what was found nothing: no place of any text.
constexpr const char* kNowhere = nullptr;

/// memmem: several bytes a step.
size_t Find(std::string_view text, std::string_view part) {
  const void* found = memmem(text.data(), text.size(), part.data(), part.size());
  if (found == nullptr) return kNoMatch;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

Result<LikePattern> LikePattern::Parse(std::string_view pattern, std::string_view escape) {
  if (!escape.empty() && BytesOfPoint(escape[0]) != escape.size()) {
    return Error(ErrorKind::kInvalidArgument, "ESCAPE expected one character, got '{}'", escape);
  }
  LikePattern like;
  like.segments_.emplace_back();
  const std::string_view whole = pattern;
  while (!pattern.empty()) {
    Segment& segment = like.segments_.back();
    std::string_view point = TakePoint(&pattern);
    const bool is_escaped = !escape.empty() && point == escape;
    if (is_escaped) {
      const bool escapes = !pattern.empty();
      if (escapes) point = TakePoint(&pattern);
      if (!escapes || (point != "%" && point != "_" && point != escape)) {
        return Error(ErrorKind::kInvalidArgument,
                     "a LIKE pattern expected %, _ or {0} behind the escape {0}: '{1}'", escape,
                     whole);
      }
    }
    if (point == "%" && !is_escaped) {
      like.segments_.emplace_back();
      continue;
    }
    const bool is_any = point == "_" && !is_escaped;
    if (is_any) segment.any.resize(segment.text.size() + 1);
    segment.text += point;
    if (!segment.any.empty()) segment.any.resize(segment.text.size());
    if (is_any) segment.any.back() = true;
  }
  return like;
}

/// Bytes of `text` that the segment takes from its begin, or kNoMatch.
size_t LikePattern::MatchHere(const Segment& segment, std::string_view text) {
  if (segment.any.empty()) return text.starts_with(segment.text) ? segment.text.size() : kNoMatch;
  size_t place = 0;
  for (size_t i = 0; i < segment.text.size(); ++i) {
    if (place >= text.size()) return kNoMatch;
    if (segment.any[i]) {
      place += BytesOfPoint(text[place]);
    } else if (text[place++] != segment.text[i]) {
      return kNoMatch;
    }
  }
  return place;
}

bool LikePattern::MatchSuffix(const Segment& segment, std::string_view text) const {
  if (segment.any.empty()) return text.ends_with(segment.text);
  const int64_t skipped = CountPoints(text) - CountPoints(segment.text);
  if (skipped < 0) return false;
  const std::string_view end = text.substr(ByteOfPoint(text, skipped));
  return MatchHere(segment, end) == end.size();
}

/// What is left of the text behind the first match; data() is kNowhere when there is none.
std::string_view LikePattern::FindBehind(const Segment& segment, std::string_view text) {
  if (segment.any.empty()) {
    const size_t found = Find(text, segment.text);
    return found == kNoMatch ? std::string_view(kNowhere, 0)
                             : text.substr(found + segment.text.size());
  }
  for (size_t begin = 0; begin < text.size(); begin += BytesOfPoint(text[begin])) {
    const size_t taken = MatchHere(segment, text.substr(begin));
    if (taken != kNoMatch) return text.substr(begin + taken);
  }
  return {kNowhere, 0};
}

std::string_view LikePattern::OnlyPart() const {
  const bool is_one = segments_.size() == 3 && segments_[0].text.empty() &&
                      segments_[2].text.empty() && segments_[1].any.empty();
  return is_one ? std::string_view(segments_[1].text) : std::string_view();
}

bool LikePattern::Matches(std::string_view text) const {
  const size_t taken = MatchHere(segments_.front(), text);
  if (taken == kNoMatch) return false;
  if (segments_.size() == 1) return taken == text.size();
  std::string_view rest = text.substr(taken);
  if (rest.data() == kNowhere) rest = "";
  for (size_t i = 1; i + 1 < segments_.size(); ++i) {
    rest = FindBehind(segments_[i], rest);
    if (rest.data() == kNowhere) return false;
  }
  return MatchSuffix(segments_.back(), rest);
}

}  // namespace headrace
