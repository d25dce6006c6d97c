// A line with editing, history and completion on the terminal (libedit).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::app {

/// One at a time, on the thread that reads.
class LineEditor {
 public:
  /// What the word that ends at the end of `before` may become: the whole words. `*begin` is where
  /// in `before` the word starts.
  using Complete = std::function<std::vector<std::string>(std::string_view before, size_t* begin)>;

  /// History is read from `history_path` and written there by Remember; "": none is kept.
  LineEditor(std::string history_path, Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Outcome { kLine, kEnd, kInterrupted };
  /// Reads one line, without its newline. kInterrupted after a signal.
  Outcome Read(const std::string& prompt, std::string* line);
  /// Adds an entry to the history and its file.
  void Remember(const std::string& entry);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::app
