// A file takes pieces until the first of them is read.
#include "headrace/exec/op/join/key_run.h"

#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "headrace/types/encoding.h"

namespace headrace {

void KeyRun::Open(std::string_view key) {
  key_.assign(key);
  is_open_ = true;
}

void KeyRun::Add(int32_t chunk, int64_t begin, int64_t end, int64_t bytes) {
  pieces_.push_back({chunk, begin, end, num_rows_, bytes, nullptr, 0});
  num_rows_ += end - begin;
  bytes_ += bytes;
}

void KeyRun::AddBorrowed(int32_t chunk, int64_t begin, int64_t end) { Add(chunk, begin, end, 0); }

void KeyRun::AddOwned(int32_t chunk, int64_t begin, int64_t end, int64_t bytes) {
  Add(chunk, begin, end, bytes);
}

void KeyRun::Close() {
  Unload();
  for (const Piece& piece : pieces_) {
    if (piece.chunk >= 0 && piece.bytes > 0) store_.Remove(piece.chunk);
  }
  pieces_.clear();
  writing_.reset();
  num_rows_ = 0;
  bytes_ = 0;
  is_open_ = false;
}

int64_t KeyRun::BytesToLoad(size_t index) const {
  const Piece& piece = pieces_[index];
  return piece.chunk >= 0 || loaded_ == static_cast<int64_t>(index) ? 0 : piece.bytes;
}

Result<KeyRun::Rows> KeyRun::Load(size_t index) {
  const Piece& piece = pieces_[index];
  if (piece.chunk >= 0) return Rows{piece.chunk, piece.begin, piece.end, piece.first};
  if (loaded_ != static_cast<int64_t>(index)) {
    Unload();
    if (piece.file == writing_) {
      ARROW_RETURN_NOT_OK(writing_->Seal());
      writing_.reset();
    }
    ARROW_ASSIGN_OR_RAISE(const auto read, piece.file->Read(piece.file->sections()[piece.section]));
    ARROW_ASSIGN_OR_RAISE(const Batch rows,
                          DecodeBatch(Batch::FromRecordBatch(*read), context_.pool));
    loaded_chunk_ = store_.Add(rows);
    loaded_ = static_cast<int64_t>(index);
    bytes_ += piece.bytes;
  }
  return Rows{loaded_chunk_, 0, piece.end - piece.begin, piece.first};
}

void KeyRun::Unload() {
  if (loaded_ < 0) return;
  bytes_ -= pieces_[static_cast<size_t>(loaded_)].bytes;
  store_.Remove(loaded_chunk_);
  loaded_ = -1;
}

Status KeyRun::Spill() {
  Unload();
  for (Piece& piece : pieces_) {
    if (piece.chunk < 0 || piece.bytes == 0) continue;
    if (writing_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(writing_, SpillFile::Make(context_, "merge_join"));
      sections_ = 0;
    }
    const int64_t length = piece.end - piece.begin;
    std::vector<ArrayPtr> columns = store_.ColumnsOf(piece.chunk);
    for (ArrayPtr& column : columns) column = column->Slice(piece.begin, length);
    const Batch rows(std::move(columns), length);
    ARROW_RETURN_NOT_OK(writing_->Write(/*key_group=*/0, *rows.ToRecordBatch(schema_)));
    store_.Remove(piece.chunk);
    piece.chunk = -1;
    piece.file = writing_;
    piece.section = sections_++;
    bytes_ -= piece.bytes;
  }
  return Status::OK();
}

}  // namespace headrace
