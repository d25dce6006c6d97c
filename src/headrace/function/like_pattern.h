// LikePattern: a LIKE pattern, taken apart once and matched against many texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace {

/// % stands for any code points, _ for one; `escape` (one code point, or "" for none) before one of
/// them, or before itself, takes it as it is.
class LikePattern {
 public:
  /// kInvalidArgument when the escape is longer than a code point or escapes nothing.
  static Result<LikePattern> Parse(std::string_view pattern, std::string_view escape = "");

  bool Matches(std::string_view text) const;
  /// x of the pattern %x%, which holds no _; empty of all others.
  std::string_view OnlyPart() const;

 private:
  /// What stands between two %: text in which places where `any` is set stand for a code point.
  struct Segment {
    std::string text;
    std::vector<bool> any;  // empty when none is
  };

  static size_t MatchHere(const Segment& segment, std::string_view text);
  bool MatchSuffix(const Segment& segment, std::string_view text) const;
  static std::string_view FindBehind(const Segment& segment, std::string_view text);

  std::vector<Segment> segments_;  // at least one; the first and the last are anchored
};

}  // namespace headrace
