// Reading pieces, and the places of their rows.
#include "headrace/exec/op/join/hash_join_partition.h"

#include "arrow/array.h"
#include "arrow/record_batch.h"

namespace headrace {

JoinPieces PiecesOf(const std::vector<std::shared_ptr<SpillFile>>& files, int partition) {
  JoinPieces pieces;
  for (const auto& file : files) {
    for (const StateSection& section : file->sections()) {
      if (section.key_group == partition) pieces.push_back({.file = file, .section = section});
    }
  }
  return pieces;
}

int64_t RowsOf(const JoinPieces& pieces) {
  int64_t rows = 0;
  for (const JoinPiece& piece : pieces) rows += piece.section.num_rows;
  return rows;
}

Result<PiecesRead> ReadPieces(const JoinPieces& pieces, size_t* next,
                              const OperatorContext& context) {
  PiecesRead read{.first_piece = *next};
  std::vector<Batch> sections;
  int64_t rows = 0;
  int64_t bytes = 0;
  while (*next < pieces.size()) {
    const JoinPiece& piece = pieces[*next];
    const bool fits = rows + piece.section.num_rows <= context.batch_rows &&
                      bytes + piece.section.length <= context.batch_bytes;
    if (!fits && !sections.empty()) break;
    ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
    sections.push_back(Batch::FromRecordBatch(*section));
    rows += piece.section.num_rows;
    bytes += sections.back().num_bytes();
    ++*next;
  }
  ARROW_ASSIGN_OR_RAISE(read.rows, ConcatenateBatches(sections, context.pool));
  return read;
}

std::vector<JoinPlace> PlacesOf(const PiecesRead& read, const JoinPieces& pieces, int width) {
  const int64_t count = read.rows.num_rows();
  std::vector<JoinPlace> places(static_cast<size_t>(count));
  if (width >= 0) {
    const auto& splits = static_cast<const arrow::Int64Array&>(*read.rows.column(width));
    const auto& rows = static_cast<const arrow::Int64Array&>(*read.rows.column(width + 1));
    for (int64_t row = 0; row < count; ++row) {
      places[static_cast<size_t>(row)] = {splits.Value(row), rows.Value(row)};
    }
    return places;
  }
  size_t at = 0;
  for (size_t piece = read.first_piece; at < places.size(); ++piece) {
    for (int64_t row = 0; row < pieces[piece].section.num_rows; ++row) {
      places[at++] = {static_cast<int64_t>(piece), row};
    }
  }
  return places;
}

}  // namespace headrace
