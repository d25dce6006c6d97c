// Paths and glob patterns.
#include <algorithm>
#include <optional>
#include <set>
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

bool IsWild(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

std::vector<std::string> ComponentsOf(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, slash);
    // Two "**" in a row mean one.
    const bool repeated = component == "**" && !components.empty() && components.back() == "**";
    if (!component.empty() && !repeated) components.emplace_back(component);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return components;
}

/// Folders that ** goes down: links may lead in circles.
constexpr int kGlobDepthMax = 64;

/// Adds the files under `folder` that match the components from `at` on.
Status Expand(Vfs& vfs, const std::string& folder, const std::vector<std::string>& components,
              size_t at, std::set<std::string>* paths, int depth = 0) {
  const std::string& component = components[at];
  const bool last = at + 1 == components.size();
  if (!IsWild(component)) {
    const std::string path = JoinPath(folder, component);
    const Result<FileInfo> info = vfs.Stat(path);
    if (!info.ok()) {
      return KindOf(info.status()) == ErrorKind::kNotFound ? Status::OK() : info.status();
    }
    if (!last) {
      return info->is_directory ? Expand(vfs, path, components, at + 1, paths) : Status::OK();
    }
    if (!info->is_directory) paths->insert(path);
    return Status::OK();
  }
  const bool any_depth = component == "**";
  if (any_depth && !last) ARROW_RETURN_NOT_OK(Expand(vfs, folder, components, at + 1, paths));
  const Result<std::vector<FileInfo>> entries = vfs.List(folder);
  if (!entries.ok()) {
    return KindOf(entries.status()) == ErrorKind::kNotFound ? Status::OK() : entries.status();
  }
  for (const FileInfo& entry : *entries) {
    const std::string_view name = std::string_view(entry.path).substr(entry.path.rfind('/') + 1);
    if (!MatchesPattern(any_depth ? "*" : component, name)) continue;
    if (!entry.is_directory) {
      if (last) paths->insert(entry.path);
    } else if (any_depth) {
      if (depth < kGlobDepthMax) {
        ARROW_RETURN_NOT_OK(Expand(vfs, entry.path, components, at, paths, depth + 1));
      }
    } else if (!last) {
      ARROW_RETURN_NOT_OK(Expand(vfs, entry.path, components, at + 1, paths));
    }
  }
  return Status::OK();
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
  Result<FileInfo> literal = vfs.Stat(pattern);
  if (literal.ok()) return std::vector<std::string>{pattern};
  if (!IsWild(pattern) || KindOf(literal.status()) != ErrorKind::kNotFound) {
    return literal.status();
  }
  std::set<std::string> paths;
  const bool absolute = pattern.starts_with('/');
  ARROW_RETURN_NOT_OK(Expand(vfs, absolute ? "/" : "", ComponentsOf(pattern), 0, &paths));
  if (paths.empty()) return Error(ErrorKind::kNotFound, "no file matches {}", pattern);
  return std::vector<std::string>(paths.begin(), paths.end());
}

}  // namespace headrace
