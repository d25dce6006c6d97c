// Rows are divided many at a time, with a counting sort: those of a key group stand together then,
// but are not copied apart.
#include "headrace/exec/op/aggregate/kept_rows.h"

#include <algorithm>
#include <bitset>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr int64_t kRowsDividedMin = 65536;
constexpr int64_t kDivisionsPerBudget = 64;
constexpr int64_t kUndividedBytesMax = int64_t{256} << 20;
constexpr int64_t kSectionBytesMin = int64_t{16} << 10;
constexpr int64_t kSectionBytesMax = int64_t{512} << 10;
constexpr int64_t kSectionsPerBudget = 256;
// Beside a row while it is divided: its hash and its place.
constexpr int64_t kBytesToDivide = 12;
// Keys are judged over all rows, from so many on, and over the last ones; they come again when each
// came twice.
constexpr int64_t kJudgedRowsMin = 65536;
constexpr int64_t kRecentRows = int64_t{1} << 22;
constexpr int64_t kRowsPerRepeatedKey = 2;

int64_t SectionBytes(const MemoryBudget& budget) {
  return std::clamp(budget.limit_bytes() / kSectionsPerBudget, kSectionBytesMin, kSectionBytesMax);
}

/// Sections of one key group.
class RowSections {
 public:
  RowSections(const SchemaPtr& schema, int key_group, const OperatorContext& context,
              SpillFile& file)
      : schema_(schema),
        key_group_(key_group),
        pool_(context.pool),
        bytes_max_(SectionBytes(*context.budget)),
        file_(file) {}

  Status Add(Batch rows) {
    bytes_ += rows.num_bytes();
    together_.push_back(std::move(rows));
    return bytes_ < bytes_max_ ? Status::OK() : Flush();
  }
  Status Flush() {
    if (together_.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Batch rows, ConcatenateBatches(together_, pool_));
    together_.clear();
    const int64_t step = std::max<int64_t>(1, 2 * bytes_max_ * rows.num_rows() / (bytes_ + 1));
    bytes_ = 0;
    for (int64_t begin = 0; begin < rows.num_rows(); begin += step) {
      const Batch some = rows.Slice(begin, std::min(step, rows.num_rows() - begin));
      ARROW_RETURN_NOT_OK(file_.Write(key_group_, *some.ToRecordBatch(schema_)));
    }
    return Status::OK();
  }

 private:
  const SchemaPtr& schema_;
  const int key_group_;
  arrow::MemoryPool* const pool_;
  const int64_t bytes_max_;
  SpillFile& file_;
  std::vector<Batch> together_;
  int64_t bytes_ = 0;
};

}  // namespace

int64_t DividedRows::RowsOf(int key_group) const {
  const auto group = static_cast<size_t>(key_group);
  return begins[group + 1] - begins[group];
}

Batch DividedRows::Of(int key_group) const {
  return rows.Slice(begins[static_cast<size_t>(key_group)], RowsOf(key_group));
}

Status SpillRows(const std::vector<DividedRows>& all, const SchemaPtr& schema,
                 const std::bitset<kKeyGroups>& without, const OperatorContext& context,
                 SpillFile& file) {
  for (int group = 0; group < kKeyGroups; ++group) {
    if (without[static_cast<size_t>(group)]) continue;
    RowSections sections(schema, group, context, file);
    for (const DividedRows& divided : all) {
      if (divided.RowsOf(group) == 0) continue;
      ARROW_RETURN_NOT_OK(sections.Add(divided.Of(group)));
    }
    ARROW_RETURN_NOT_OK(sections.Flush());
  }
  return Status::OK();
}

KeptRows::KeptRows(const RowForm& form, const OperatorContext& context)
    : form_(form),
      context_(context),
      undivided_bytes_max_(
          std::min(context.budget->limit_bytes() / kDivisionsPerBudget, kUndividedBytesMax)),
      undivided_reservation_(context.budget) {}

Result<int64_t> KeptRows::Add(const Batch& rows, const std::vector<uint64_t>& hashes) {
  const int64_t bytes = rows.num_bytes();
  const int64_t wanted = 2 * bytes + rows.num_rows() * kBytesToDivide;
  if (!undivided_reservation_.TryGrow(wanted)) return wanted;
  undivided_.push_back(rows);
  undivided_bytes_ += bytes;
  hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
  Judge(hashes);
  const bool are_many = static_cast<int64_t>(hashes_.size()) >= kRowsDividedMin;
  if (are_many || undivided_bytes_ >= undivided_bytes_max_) ARROW_RETURN_NOT_OK(Divide());
  return 0;
}

Status KeptRows::Divide() {
  if (undivided_.empty()) return Status::OK();
  DividedRows divided;
  auto& begins = divided.begins;
  for (const uint64_t hash : hashes_) ++begins[static_cast<size_t>(KeyGroupOf(hash)) + 1];
  for (size_t group = 0; group < kKeyGroups; ++group) begins[group + 1] += begins[group];
  auto places = begins;
  std::vector<uint32_t> order(hashes_.size());
  for (size_t row = 0; row < hashes_.size(); ++row) {
    const auto place = places[static_cast<size_t>(KeyGroupOf(hashes_[row]))]++;
    order[static_cast<size_t>(place)] = static_cast<uint32_t>(row);
  }
  ARROW_ASSIGN_OR_RAISE(const Batch together, ConcatenateBatches(undivided_, context_.pool));
  const arrow::UInt32Array indices(together.num_rows(), arrow::Buffer::Wrap(order));
  ARROW_ASSIGN_OR_RAISE(divided.rows, together.Take(indices, context_.pool));
  const int64_t bytes = std::min(divided.rows.num_bytes(), undivided_reservation_.bytes());
  divided.reservation = undivided_reservation_.Split(bytes);
  undivided_reservation_.Clear();
  undivided_.clear();
  undivided_bytes_ = 0;
  hashes_.clear();
  divided_.push_back(std::move(divided));
  return Status::OK();
}

void KeptRows::Judge(const std::vector<uint64_t>& hashes) {
  all_.Add(hashes);
  recent_.Add(hashes);
  const auto repeats = [](const KeySketch& keys) {
    return keys.num_rows() >= kRowsPerRepeatedKey * keys.EstimatedKeys();
  };
  const int64_t rows = all_.num_rows();
  const bool is_due =
      rows / kJudgedRowsMin != (rows - static_cast<int64_t>(hashes.size())) / kJudgedRowsMin;
  if (is_due) has_repeats_ = repeats(all_);
  if (recent_.num_rows() < kRecentRows) return;
  has_repeats_ = has_repeats_ || repeats(recent_);
  recent_.Clear();
}

Result<int64_t> KeptRows::Spill(int64_t bytes, SpillFile& file) {
  const int64_t before = reserved_bytes();
  ARROW_RETURN_NOT_OK(Divide());
  std::vector<DividedRows> spilled;
  int64_t taken = 0;
  while (!divided_.empty() && taken < bytes) {
    taken += divided_.back().reservation.bytes();
    spilled.push_back(std::move(divided_.back()));
    divided_.pop_back();
  }
  ARROW_RETURN_NOT_OK(SpillRows(spilled, form_.schema, {}, context_, file));
  spilled.clear();
  return before - reserved_bytes();
}

int64_t KeptRows::num_rows() const {
  auto rows = static_cast<int64_t>(hashes_.size());
  for (const DividedRows& divided : divided_) rows += divided.rows.num_rows();
  return rows;
}

int64_t KeptRows::reserved_bytes() const {
  int64_t bytes = undivided_reservation_.bytes();
  for (const DividedRows& divided : divided_) bytes += divided.reservation.bytes();
  return bytes;
}

}  // namespace headrace
