// KeyRun: the rows of one key on the minor side of a merge join, in memory or in spill files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/exec/op/row_store.h"
#include "headrace/exec/operator.h"
#include "headrace/exec/spill/spill_file.h"

namespace headrace {

/// Rows in pieces, each in a chunk of the store of the side it came from. Pieces that were written
/// are read again, one at a time, as often as they are wanted. One thread; the owner charges the
/// memory, which is bytes().
class KeyRun {
 public:
  KeyRun(const OperatorContext& context, SchemaPtr schema, RowStore& store)
      : context_(context), schema_(std::move(schema)), store_(store) {}

  void Open(std::string_view key);
  bool is_open() const { return is_open_; }
  std::string_view key() const { return key_; }
  /// Appends rows [begin, end) of a chunk that somebody else keeps while the run is open …
  void AddBorrowed(int32_t chunk, int64_t begin, int64_t end);
  /// … or hands over: `bytes` is what is charged for it, and is the run's from now on.
  void AddOwned(int32_t chunk, int64_t begin, int64_t end, int64_t bytes);
  /// Forgets all rows.
  void Close();

  int64_t num_rows() const { return num_rows_; }
  size_t num_pieces() const { return pieces_.size(); }
  int64_t bytes() const { return bytes_; }

  /// Rows of piece `index`; `first` is its place among all rows of the run.
  struct Rows {
    int32_t chunk;
    int64_t begin;
    int64_t end;
    int64_t first;
  };
  /// What reading the piece will add to bytes(); 0: it is in memory.
  int64_t BytesToLoad(size_t index) const;
  /// Reads it where it is not in memory; what was read before is forgotten.
  Result<Rows> Load(size_t index);
  /// Forgets what was read.
  void Unload();
  /// Writes what the run owns, and forgets what was read.
  Status Spill();

 private:
  struct Piece {
    int32_t chunk = -1;  // −1: in the file
    int64_t begin = 0;
    int64_t end = 0;
    int64_t first = 0;
    int64_t bytes = 0;  // 0: borrowed
    std::shared_ptr<SpillFile> file;
    size_t section = 0;
  };

  void Add(int32_t chunk, int64_t begin, int64_t end, int64_t bytes);

  const OperatorContext& context_;
  const SchemaPtr schema_;
  RowStore& store_;
  bool is_open_ = false;
  std::string key_;
  std::vector<Piece> pieces_;
  int64_t num_rows_ = 0;
  int64_t bytes_ = 0;
  int64_t loaded_ = -1;  // the piece that was read; −1: none
  int32_t loaded_chunk_ = -1;
  std::shared_ptr<SpillFile> writing_;  // null: none is open
  size_t sections_ = 0;                 // of it
};

}  // namespace headrace
