// Typed reading of options, and the nearest-name search behind "did you mean".
#include "headrace/table/options.h"

#include <algorithm>
#include <charconv>

#include "headrace/base/ascii_case.h"

namespace headrace {
namespace {

// Levenshtein distance in which swapping two neighbours counts as one edit.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> previous(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(previous);
    previous.swap(row);
  }
  return previous[b.size()];
}

/// The shortest of `candidates` that `lower` is a part of, or that is a part of it; or null.
const std::string* NameWithPart(const std::string& lower,
                                const std::vector<std::string>& candidates) {
  constexpr size_t kPartMin = 3;  // shorter ones are parts of too much
  const std::string* shortest = nullptr;
  for (const std::string& candidate : candidates) {
    if (std::min(lower.size(), candidate.size()) < kPartMin) continue;
    const std::string other = LowerCase(candidate);
    const bool holds = other.size() >= lower.size() ? other.find(lower) != std::string::npos
                                                    : lower.find(other) != std::string::npos;
    if (holds && (shortest == nullptr || candidate.size() < shortest->size())) {
      shortest = &candidate;
    }
  }
  return shortest;
}

}  // namespace

OptionReader::OptionReader(std::string owner, const OptionMap& options)
    : owner_(std::move(owner)), options_(options) {}

const std::string* OptionReader::Find(std::string_view name) {
  known_.emplace(name);
  const auto it = options_.find(name);
  return it == options_.end() ? nullptr : &it->second;
}

Result<std::string> OptionReader::Text(std::string_view name, std::string fallback) {
  const std::string* text = Find(name);
  return text == nullptr ? std::move(fallback) : *text;
}

Result<bool> OptionReader::Flag(std::string_view name, bool fallback) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  const std::string lower = LowerCase(*text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return Error(ErrorKind::kInvalidArgument, "{}: option {} expects true or false, got '{}'", owner_,
               name, *text);
}

Result<int64_t> OptionReader::Integer(std::string_view name, int64_t fallback, int64_t min,
                                      int64_t max) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || value < min || value > max) {
    return Error(ErrorKind::kInvalidArgument,
                 "{}: option {} expects an integer between {} and {}, got '{}'", owner_, name, min,
                 max, *text);
  }
  return value;
}

Result<char> OptionReader::Character(std::string_view name, char fallback) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  if (*text == "\\t" || LowerCase(*text) == "tab") return '\t';
  if (text->size() == 1) return text->front();
  return Error(ErrorKind::kInvalidArgument, "{}: option {} expects one character, got '{}'", owner_,
               name, *text);
}

Status OptionReader::Finish() const {
  for (const auto& [name, value] : options_) {
    if (known_.contains(name)) continue;
    const std::vector<std::string> candidates(known_.begin(), known_.end());
    const std::string nearest = NearestName(name, candidates);
    std::string hint = nearest.empty() ? "; " : "; did you mean " + nearest + "? ";
    hint += candidates.empty() ? "it takes none" : "known are ";
    for (const std::string& candidate : candidates) {
      hint += (&candidate == &candidates.front() ? "" : ", ") + candidate;
    }
    return Error(ErrorKind::kInvalidArgument, "{}: unknown option {}{}", owner_, name, hint);
  }
  return Status::OK();
}

std::string NearestName(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string lower = LowerCase(word);
  const std::string* nearest = nullptr;
  size_t best = std::max<size_t>(1, lower.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t length_gap = candidate.size() > lower.size() ? candidate.size() - lower.size()
                                                              : lower.size() - candidate.size();
    if (length_gap >= best) continue;
    const size_t distance = EditDistance(lower, LowerCase(candidate));
    if (distance >= best) continue;
    best = distance;
    nearest = &candidate;
  }
  if (nearest == nullptr) nearest = NameWithPart(lower, candidates);
  return nearest == nullptr ? "" : *nearest;
}

}  // namespace headrace
