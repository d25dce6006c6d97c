// Passes end at sampled places.
#include "headrace/exec/op/join/join_passes.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace headrace {
namespace {

// Bounds of passes are among so many rows of each.
constexpr int64_t kSamplesPerPass = 16;

}  // namespace

void JoinPasses::Reset() {
  begin_ = kFirstJoinPlace;
  bounds_ = {begin_, kNoJoinPlace};
  pass_ = 0;
}

void JoinPasses::StartCutting(int64_t rows) {
  begin_ = bounds_[pass_];
  pass_rows_ = rows;
  samples_.clear();
  rows_seen_ = 0;
}

Result<bool> JoinPasses::CutStep(JoinPieces& build, size_t* next) {
  if (*next < build.size()) {
    JoinPiece& piece = build[*next];
    PiecesRead read{.first_piece = (*next)++};
    ARROW_ASSIGN_OR_RAISE(const auto section, piece.file->Read(piece.section));
    read.rows = Batch::FromRecordBatch(*section);
    AddSamples(PlacesOf(read, build, width_), piece);
    return true;
  }
  std::sort(samples_.begin(), samples_.end());
  bounds_ = {begin_};
  const auto step = static_cast<size_t>(std::min(kSamplesPerPass, pass_rows_));
  for (size_t at = step; at < samples_.size(); at += step) bounds_.push_back(samples_[at]);
  bounds_.push_back(kNoJoinPlace);
  samples_ = {};
  pass_ = 0;
  return false;
}

void JoinPasses::AddSamples(const std::vector<JoinPlace>& places, JoinPiece& piece) {
  const int64_t step = std::max<int64_t>(1, pass_rows_ / kSamplesPerPass);
  piece.first = kNoJoinPlace;
  piece.last = kFirstJoinPlace;
  for (const JoinPlace& place : places) {
    piece.first = std::min(piece.first, place);
    piece.last = std::max(piece.last, place);
    if (place < begin_) continue;
    if (rows_seen_++ % step == 0) samples_.push_back(place);
  }
}

void JoinPasses::SkipOthers(const JoinPieces& build, size_t* next) const {
  if (!has_many()) return;
  const auto is_other = [this](const JoinPiece& piece) {
    return piece.last < bounds_[pass_] || piece.first >= bounds_[pass_ + 1];
  };
  while (*next < build.size() && is_other(build[*next])) ++*next;
}

Result<Batch> JoinPasses::RowsOfPass(PiecesRead read, const JoinPieces& build,
                                     arrow::MemoryPool* pool) const {
  if (!has_many()) return std::move(read.rows);
  const std::vector<JoinPlace> places = PlacesOf(read, build, width_);
  auto kept = std::make_shared<std::vector<uint32_t>>();
  for (size_t row = 0; row < places.size(); ++row) {
    if (places[row] >= bounds_[pass_] && places[row] < bounds_[pass_ + 1]) {
      kept->push_back(static_cast<uint32_t>(row));
    }
  }
  return read.rows.WithSelection(std::move(kept)).Compact(pool);
}

}  // namespace headrace
