// What a word typed in the shell may become.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/engine/session.h"

namespace headrace::app {

/// Keywords, functions, tables of the session, columns of tables and files that the statement
/// names, files inside quotes, and dot commands at the start of a line.
class Completion {
 public:
  Completion(Session& session, std::vector<std::string> dot_commands)
      : session_(session), dot_commands_(std::move(dot_commands)) {}

  /// The statement's lines before the one that is typed.
  void set_earlier_lines(std::string lines) { earlier_lines_ = std::move(lines); }
  /// As LineEditor::Complete.
  std::vector<std::string> Candidates(std::string_view before, size_t* begin);

 private:
  std::vector<std::string> Words(std::string_view statement);
  void AddColumns(std::string_view statement, std::vector<std::string>* words);
  const std::vector<std::string>& ColumnsOfFile(const std::string& path);

  Session& session_;
  const std::vector<std::string> dot_commands_;
  std::string earlier_lines_;
  std::map<std::string, std::vector<std::string>> columns_of_file_;
};

}  // namespace headrace::app
