// Paths and glob patterns.
#include <algorithm>
#include <optional>
#include <tuple>

#include "headrace/io/vfs.h"

namespace headrace {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Bytes of the first UTF-8 character of `text`.
size_t CharacterBytes(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && IsContinuation(text[bytes])) ++bytes;
  return bytes;
}

struct ClassMatch {
  bool matches;
  size_t pattern_bytes;  // of the whole [...]
};

// `pattern` starts with '['. Nothing when the bracket is never closed: then it is a plain
// character.
std::optional<ClassMatch> MatchClass(std::string_view pattern, char c) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) return ClassMatch{found != negated, i + 1};
    const char low = pattern[i];
    const bool range = i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']';
    const char high = range ? pattern[i + 2] : low;
    found = found || (low <= c && c <= high);
    i += range ? 3 : 1;
  }
  return std::nullopt;
}

// Matches one pattern element other than '*' against the front of `name`; advances both on success.
bool MatchOne(std::string_view* pattern, std::string_view* name) {
  if (pattern->empty() || name->empty()) return false;
  if (pattern->front() == '?') {
    pattern->remove_prefix(1);
    name->remove_prefix(CharacterBytes(*name));
    return true;
  }
  if (pattern->front() == '[') {
    if (const auto match = MatchClass(*pattern, name->front())) {
      if (!match->matches) return false;
      pattern->remove_prefix(match->pattern_bytes);
      name->remove_prefix(1);
      return true;
    }
  }
  if (pattern->front() != name->front()) return false;
  pattern->remove_prefix(1);
  name->remove_prefix(1);
  return true;
}

// Linear in practice: on a mismatch only the last '*' takes one more character.
bool MatchesPattern(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  std::optional<std::pair<std::string_view, std::string_view>> retry;
  while (!name.empty() || !pattern.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      retry = {pattern, name};
    } else if (!MatchOne(&pattern, &name)) {
      if (!retry.has_value() || retry->second.empty()) return false;
      retry->second.remove_prefix(1);
      std::tie(pattern, name) = *retry;
    }
  }
  return true;
}

}  // namespace

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty() || directory == ".") return std::string(name);
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  path += name;
  return path;
}

Result<std::vector<std::string>> Glob(Vfs& vfs, const std::string& pattern) {
  const size_t slash = pattern.rfind('/');
  const std::string last = slash == std::string::npos ? pattern : pattern.substr(slash + 1);
  const bool wild = last.find_first_of("*?[") != std::string::npos;
  Result<FileInfo> literal = vfs.Stat(pattern);
  if (literal.ok()) return std::vector<std::string>{pattern};
  if (!wild) return literal.status();
  if (KindOf(literal.status()) != ErrorKind::kNotFound) return literal.status();
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> entries, vfs.List(ParentPath(pattern)));
  std::vector<std::string> paths;
  for (FileInfo& entry : entries) {
    const std::string_view path = entry.path;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (!entry.is_directory && MatchesPattern(last, name)) paths.push_back(std::move(entry.path));
  }
  if (paths.empty()) return Error(ErrorKind::kNotFound, "no file matches {}", pattern);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace headrace
