// libedit, with a read of our own so that signals end it.
#include "line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>

#include "interrupt.h"

namespace headrace::app {
namespace {

constexpr int kHistoryEntries = 5000;
constexpr size_t kCandidatesShown = 100;

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path;
  Complete complete;
  std::string prompt;
  bool interrupted = false;

  static State* Of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return static_cast<State*>(data);
  }
  static char* Prompt(EditLine* editor) { return Of(editor)->prompt.data(); }
  static int ReadCharacter(EditLine* editor, wchar_t* character);
  static unsigned char Tab(EditLine* editor, int character);

  /// The next byte typed; false at the end or after a signal.
  bool ReadByte(char* byte);
  unsigned char CompleteWord();
  void ShowCandidates(const std::vector<std::string>& candidates) const;
};

bool LineEditor::State::ReadByte(char* byte) {
  while (CaughtSignal() == 0) {
    // A signal between the check and the wait is seen after a moment.
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 200) <= 0) continue;
    const ssize_t count = ::read(STDIN_FILENO, byte, 1);
    if (count == 1) return true;
    if (count == 0 || errno != EINTR) return false;
  }
  interrupted = true;
  return false;
}

int LineEditor::State::ReadCharacter(EditLine* editor, wchar_t* character) {
  State* self = Of(editor);
  std::mbstate_t state = {};
  while (true) {
    char byte = 0;
    if (!self->ReadByte(&byte)) return self->interrupted ? -1 : 0;
    const size_t used = std::mbrtowc(character, &byte, 1, &state);
    if (used <= 1) return 1;
    if (used != static_cast<size_t>(-2)) state = {};  // broken bytes are passed over
  }
}

unsigned char LineEditor::State::Tab(EditLine* editor, int) { return Of(editor)->CompleteWord(); }

/// The start that all have, in any case; spelled as in the first.
std::string SharedStart(const std::vector<std::string>& candidates) {
  std::string shared = candidates.front();
  for (const std::string& candidate : candidates) {
    size_t same = 0;
    while (same < std::min(shared.size(), candidate.size()) &&
           std::tolower(static_cast<unsigned char>(shared[same])) ==
               std::tolower(static_cast<unsigned char>(candidate[same]))) {
      ++same;
    }
    shared.resize(same);
  }
  return shared;
}

unsigned char LineEditor::State::CompleteWord() {
  const LineInfo* line = el_line(editor);
  const std::string before(line->buffer, line->cursor);
  size_t begin = before.size();
  const std::vector<std::string> candidates = complete(before, &begin);
  if (candidates.empty()) return CC_REFRESH_BEEP;
  const size_t typed = before.size() - begin;
  const std::string shared = SharedStart(candidates);
  if (shared.size() < typed || (candidates.size() > 1 && shared.size() == typed)) {
    ShowCandidates(candidates);
    return CC_REDISPLAY;
  }
  if (typed > 0) el_deletestr(editor, static_cast<int>(typed));
  const bool goes_on = candidates.size() > 1 || shared.empty() || shared.back() == '/';
  el_insertstr(editor, (shared + (goes_on ? "" : " ")).c_str());
  return CC_REFRESH;
}

void LineEditor::State::ShowCandidates(const std::vector<std::string>& candidates) const {
  std::fputc('\n', stdout);
  const size_t shown = std::min(candidates.size(), kCandidatesShown);
  for (size_t i = 0; i < shown; ++i) std::fprintf(stdout, "%s  ", candidates[i].c_str());
  if (shown < candidates.size()) {
    std::fprintf(stdout, "… and %zu more", candidates.size() - shown);
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

LineEditor::LineEditor(std::string history_path, Complete complete)
    : state_(std::make_unique<State>()) {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
  state_->history_path = std::move(history_path);
  state_->complete = std::move(complete);
  state_->editor = el_init("headrace", stdin, stdout, stderr);
  EditLine* editor = state_->editor;
  el_set(editor, EL_CLIENTDATA, state_.get());
  el_set(editor, EL_PROMPT, &State::Prompt);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_SIGNAL, 0);
  el_set(editor, EL_GETCFN, &State::ReadCharacter);
  el_set(editor, EL_ADDFN, "headrace-complete", "Complete a word", &State::Tab);
  el_set(editor, EL_BIND, "^I", "headrace-complete", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  state_->history = history_init();
  HistEvent event;
  history(state_->history, &event, H_SETSIZE, kHistoryEntries);
  history(state_->history, &event, H_SETUNIQUE, 1);
  el_set(editor, EL_HIST, history, state_->history);
  if (!state_->history_path.empty()) {
    history(state_->history, &event, H_LOAD, state_->history_path.c_str());
  }
}

LineEditor::~LineEditor() {
  history_end(state_->history);
  el_end(state_->editor);
}

LineEditor::Outcome LineEditor::Read(const std::string& prompt, std::string* line) {
  state_->prompt = prompt;
  state_->interrupted = false;
  el_resize(state_->editor);
  int count = 0;
  // Before the prompt: el_gets would do it after, and a Ctrl-D between the two would be no end.
  el_set(state_->editor, EL_PREP_TERM, 1);
  const char* text = el_gets(state_->editor, &count);
  if (state_->interrupted) return Outcome::kInterrupted;
  if (text == nullptr || count <= 0) return Outcome::kEnd;
  line->assign(text, static_cast<size_t>(count));
  while (!line->empty() && (line->back() == '\n' || line->back() == '\r')) line->pop_back();
  return Outcome::kLine;
}

void LineEditor::Remember(const std::string& entry) {
  HistEvent event;
  history(state_->history, &event, H_ENTER, entry.c_str());
  if (state_->history_path.empty()) return;
  const int file = ::open(state_->history_path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return;  // no place to remember is no reason to stop
  ::close(file);
  history(state_->history, &event, H_SAVE, state_->history_path.c_str());
}

}  // namespace headrace::app
