// Published files: what readers see of a sink, and the journal beside it that says how much of it
// is committed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/connect/file/epoch_file_sink.h"
#include "headrace/connect/file/epoch_parts.h"

namespace headrace {

/// ".<name>.journal". The first `length` bytes of the file are the epochs up to `epoch`.
struct SinkJournal {
  int64_t epoch = 0;
  int64_t length = 0;
  int64_t rows = 0;  // of those bytes
  int64_t begun_micros = 0;
  /// Text: the number that the file gets when it is put away. Else what epochs are counted from.
  int64_t number = 0;
  bool is_rotating = false;  // the file is to be put away before anything else
};
std::string WriteJournal(const SinkJournal& journal);
/// kBadData names `path` for what WriteJournal did not write.
Result<SinkJournal> ReadJournal(std::string_view text, const std::string& path);

/// One thread.
class PublishedFile {
 public:
  PublishedFile(Vfs& vfs, Clock& clock, EpochFileOptions options);

  /// What begins every file.
  void set_header(std::string header) { header_ = std::move(header); }

  /// A fresh start: an earlier job's journal does not count any more.
  Status Forget();
  /// Of a job that is resumed: reads the journal, if there is one.
  Status Recover();
  /// Publishes the parts, which are those of all unpublished epochs up to `epoch`. When it fails,
  /// or dies, it is called again with the same parts, by this object or another.
  Status Publish(const std::vector<EpochPart>& parts, int64_t epoch);

 private:
  std::string JournalPath() const;
  std::string NumberedPath(int64_t number) const;
  /// The files that NumberedPath names, by number.
  Result<std::vector<std::pair<int64_t, std::string>>> NumberedFiles() const;
  Status SaveJournal(const SinkJournal& journal);
  Status BeginAnew();
  Status MakeEmptyFile();
  Status Append(const std::vector<EpochPart>& parts, int64_t epoch);
  Status PutAway();
  Status RenameParts(const std::vector<EpochPart>& parts, int64_t epoch);
  bool IsDue(const SinkJournal& journal) const;

  Vfs& vfs_;
  Clock& clock_;
  const EpochFileOptions options_;
  const std::string folder_;
  std::string stem_;       // of the name
  std::string extension_;  // ".jsonl.gz"
  std::string header_;
  std::optional<SinkJournal> journal_;
};

}  // namespace headrace
