// The built side first, then the other.
#include "headrace/exec/op/join/join_division.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "arrow/type.h"

namespace headrace {
namespace {

// A partition is divided into so many by bits at most, and by bits in front of these.
constexpr int kBitsOfOneMax = 5;
constexpr int kBitsEndMax = 22;
// A child with this share of the rows has one key, or few.
constexpr double kOneKeyShare = 0.8;

HashBits BitsFor(const JoinPartition& partition, int64_t children, int bits_max) {
  const int begin = partition.bits.end();
  const int wanted = std::bit_width(static_cast<uint64_t>(children));
  return {begin, std::clamp(wanted, 1, std::min({kBitsOfOneMax, bits_max, kBitsEndMax - begin}))};
}

}  // namespace

JoinDivision::JoinDivision(const HashJoinTerms& terms, const JoinPartition& partition,
                           int64_t children, const KeyEncoder& build_encoder,
                           const KeyEncoder& probe_encoder, const OperatorContext& context)
    : terms_(terms),
      partition_(partition),
      bits_(BitsFor(partition, children, BitsWorthWriting(terms.columns_max(), context))),
      build_encoder_(build_encoder),
      probe_encoder_(probe_encoder),
      context_(context) {
  StartSide(*terms_.build);
}

bool JoinDivision::CanDivide(const JoinPartition& partition) {
  return partition.bits.end() < kBitsEndMax && !partition.is_one_key;
}

void JoinDivision::StartSide(const arrow::Schema& schema) {
  writer_.emplace(*WithPlaceColumns(schema, terms_.order_read), /*with_places=*/false, "join-part");
  writer_->Open(context_, bits_);
  next_piece_ = 0;
}

Result<bool> JoinDivision::Step() {
  const JoinPieces& pieces = is_probe_ ? partition_.probe : partition_.build;
  if (next_piece_ < pieces.size()) {
    ARROW_ASSIGN_OR_RAISE(PiecesRead read, ReadPieces(pieces, &next_piece_, context_));
    const KeyEncoder& encoder = is_probe_ ? probe_encoder_ : build_encoder_;
    ARROW_RETURN_NOT_OK(encoder.Encode(read.rows, context_.pool, &keys_));
    children_.clear();
    for (uint64_t hash : keys_.hashes) children_.push_back(static_cast<uint8_t>(bits_.Of(hash)));
    ARROW_RETURN_NOT_OK(writer_->AddTo(std::move(read.rows), children_));
    return true;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_->Take());
  (is_probe_ ? probe_file_ : build_file_) = std::move(file);
  if (is_probe_) return false;
  is_probe_ = true;
  StartSide(*terms_.probe);
  return true;
}

std::vector<JoinPartition> JoinDivision::TakeChildren() {
  const auto rows = static_cast<double>(RowsOf(partition_.build));
  std::vector<JoinPartition> children;
  for (int child = 0; child < 1 << bits_.count; ++child) {
    JoinPartition& partition = children.emplace_back(JoinPartition{.bits = bits_});
    if (build_file_ != nullptr) partition.build = PiecesOf({build_file_}, child);
    if (probe_file_ != nullptr) partition.probe = PiecesOf({probe_file_}, child);
    partition.is_one_key = static_cast<double>(RowsOf(partition.build)) >= kOneKeyShare * rows;
  }
  return children;
}

Result<int64_t> JoinDivision::Reclaim() {
  const int64_t freed = writer_->held_bytes();
  ARROW_RETURN_NOT_OK(writer_->Flush());
  return freed;
}

}  // namespace headrace
