// One range at a time: its rows are read, and given by their places. Ranges that do not fit in
// memory are divided into smaller ones; the rows of one place are given as they came.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/exec/key/sort_words.h"
#include "headrace/exec/op/join/hash_join_writer.h"
#include "headrace/exec/op/join/place_order.h"
#include "headrace/exec/op/row_store.h"

namespace headrace {
namespace {

// The rows of a range take at most this part of the limit, over all lanes.
constexpr double kRangeShare = 0.6;
// Ranges that one is divided into at most, and the places sampled for it.
constexpr int64_t kRangesOfOneMax = 32;
constexpr int64_t kSamplesOfOne = 512;
// So many rows are put in order at once, whatever the limit.
constexpr int64_t kOrderedRowsMax = int64_t{4} << 20;

// Rows with places that are written in a range.
struct PlaceRange {
  JoinPieces pieces;
  bool is_one_place = false;
};

class PlaceOrder final : public Operator {
 public:
  PlaceOrder(SchemaPtr schema, std::shared_ptr<PlaceOrderGlobal> state)
      : schema_(std::move(schema)), state_(std::move(state)), width_(schema_->num_fields()) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    reservation_ = Reservation(context.budget);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& part, Out& out) override {
    if (state_->has_order()) return PopSpooled(out);
    switch (stage_) {
      case Stage::kPart:
        waiting_.push_back({.pieces = PiecesOf(state_->files(), PartOf(part))});
        waiting_.back().is_one_place =
            state_->ranges(context()).IsOnePlace(static_cast<size_t>(PartOf(part)));
        stage_ = Stage::kRange;
        return Flow::MoreOutput();
      case Stage::kRange:
        return StartRange();
      case Stage::kAsTheyCame:
        return GiveSection(out);
      case Stage::kLoad:
        return Load();
      case Stage::kGive:
        return Give(out);
      case Stage::kSample:
        return Sample();
      case Stage::kDivide:
        return Divide();
    }
    return Error(ErrorKind::kInternal, "an impossible stage");
  }

  // While rows are loaded: forgets them, and divides the range. When it wants memory itself others
  // are to be asked first.
  Result<int64_t> Reclaim(int64_t) override {
    if (pops_) return state_->spool(context()).Spill();
    if (stage_ == Stage::kLoad && reservation_.bytes() > 0) return ForgetLoaded();
    if (stage_ != Stage::kDivide) return 0;
    const int64_t freed = divided_->held_bytes();
    ARROW_RETURN_NOT_OK(divided_->Flush());
    return freed;
  }

 private:
  enum class Stage : uint8_t { kPart, kRange, kAsTheyCame, kLoad, kGive, kSample, kDivide };

  static int PartOf(const Batch& part) { return static_cast<int>(part.ordinal().split); }

  Result<Flow> PopSpooled(Out& out) {
    RowSpool& spool = state_->spool(context());
    pops_ = true;
    if (spool.empty()) return Flow::NeedInput();
    Batch rows;
    ARROW_ASSIGN_OR_RAISE(const int64_t wanted, spool.TryPop(&rows));
    if (wanted > 0) return Flow::NeedMemory(wanted);
    out.Emit(WithoutPlaces(rows));
    return Flow::MoreOutput();
  }

  Batch WithoutPlaces(const Batch& rows) const {
    const std::vector<ArrayPtr>& columns = rows.columns();
    return rows.WithColumns({columns.begin(), columns.begin() + width_});
  }

  Result<Flow> StartRange() {
    Forget();
    if (waiting_.empty()) {
      stage_ = Stage::kPart;
      return Flow::NeedInput();
    }
    range_ = std::move(waiting_.back());
    waiting_.pop_back();
    if (range_.pieces.empty()) return Flow::MoreOutput();
    stage_ = range_.is_one_place ? Stage::kAsTheyCame : Stage::kLoad;
    return Flow::MoreOutput();
  }

  void Forget() {
    next_piece_ = 0;
    rows_.reset();
    words_ = {};
    chunks_ = {};
    section_.reset();
    range_ = {};
    reservation_.Clear();
  }

  Result<Batch> ReadSection() {
    const JoinPiece& piece = range_.pieces[next_piece_];
    ARROW_ASSIGN_OR_RAISE(const auto rows, piece.file->Read(piece.section));
    ++next_piece_;
    return Batch::FromRecordBatch(*rows);
  }
  bool has_sections() const { return next_piece_ < range_.pieces.size(); }

  Result<Flow> GiveSection(Out& out) {
    if (!has_sections()) {
      stage_ = Stage::kRange;
      return Flow::MoreOutput();
    }
    ARROW_ASSIGN_OR_RAISE(const Batch rows, ReadSection());
    out.Emit(WithoutPlaces(rows));
    return Flow::MoreOutput();
  }

  static int64_t ClaimOf(const Batch& rows) {
    return rows.num_bytes() + rows.num_rows() * static_cast<int64_t>(sizeof(SortWord));
  }

  // Rows of a range that fit in memory, by what the first ones take.
  int64_t RowsThatFit(const Batch& first) const {
    const int64_t row_bytes = ClaimOf(first) / std::max<int64_t>(1, first.num_rows()) + 1;
    const auto share = static_cast<int64_t>(static_cast<double>(context().budget->limit_bytes()) *
                                            kRangeShare / context().lanes);
    return std::clamp(share / row_bytes, first.num_rows(), kOrderedRowsMax);
  }

  Result<Flow> Load() {
    if (!section_.has_value()) {
      if (!has_sections()) return Order();
      const bool is_first = next_piece_ == 0;
      ARROW_ASSIGN_OR_RAISE(section_, ReadSection());
      if (is_first) rows_that_fit_ = RowsThatFit(*section_);
      if (is_first && RowsOf(range_.pieces) > rows_that_fit_) {
        StartSampling();
        return Flow::MoreOutput();
      }
    }
    const int64_t claim = ClaimOf(*section_);
    others_first_ = !reservation_.TryGrow(claim);
    if (others_first_) return Flow::NeedMemory(claim);
    chunks_.push_back(*std::exchange(section_, std::nullopt));
    return Flow::MoreOutput();
  }

  int64_t ForgetLoaded() {
    if (std::exchange(others_first_, false)) return 0;
    int64_t rows = 0;
    for (const Batch& chunk : chunks_) rows += chunk.num_rows();
    rows_that_fit_ = std::max<int64_t>(1, rows / 2);
    const int64_t freed = reservation_.bytes();
    StartSampling();
    return freed;
  }

  const int64_t* Splits(const Batch& rows) const { return Numbers(rows, width_); }
  const int64_t* Rows(const Batch& rows) const { return Numbers(rows, width_ + 1); }
  static const int64_t* Numbers(const Batch& rows, int column) {
    return static_cast<const arrow::Int64Array&>(*rows.column(column)).raw_values();
  }

  // A number that orders places as they are: the split over as many bits as rows need.
  struct PlaceCode {
    int64_t split_min = std::numeric_limits<int64_t>::max();
    int64_t split_max = std::numeric_limits<int64_t>::min();
    int64_t row_max = 0;

    int row_bits() const { return std::bit_width(static_cast<uint64_t>(row_max)); }
    bool fits() const {
      const auto splits = static_cast<uint64_t>(split_max) - static_cast<uint64_t>(split_min);
      return splits == 0 || std::bit_width(splits) + row_bits() <= 64;
    }
    uint64_t Of(int64_t split, int64_t row) const {
      const auto distance = static_cast<uint64_t>(split) - static_cast<uint64_t>(split_min);
      return distance == 0 ? static_cast<uint64_t>(row)
                           : (distance << row_bits()) | static_cast<uint64_t>(row);
    }
  };

  PlaceCode CodeOfLoaded() const {
    PlaceCode code;
    for (const Batch& chunk : chunks_) {
      const int64_t* const splits = Splits(chunk);
      const int64_t* const rows = Rows(chunk);
      for (int64_t row = 0; row < chunk.num_rows(); ++row) {
        code.split_min = std::min(code.split_min, splits[row]);
        code.split_max = std::max(code.split_max, splits[row]);
        code.row_max = std::max(code.row_max, rows[row]);
      }
    }
    return code;
  }

  // Rows of one place stay in the order of the chunks.
  Result<Flow> Order() {
    const PlaceCode code = CodeOfLoaded();
    if (!code.fits()) {
      StartSampling();
      return Flow::MoreOutput();
    }
    words_.clear();
    words_.reserve(static_cast<size_t>(RowsOf(range_.pieces)));
    rows_.emplace(*schema_);
    for (const Batch& chunk : chunks_) {
      const auto number = static_cast<uint64_t>(rows_->Add(WithoutPlaces(chunk)));
      const int64_t* const splits = Splits(chunk);
      const int64_t* const rows = Rows(chunk);
      for (int64_t row = 0; row < chunk.num_rows(); ++row) {
        words_.push_back(
            {number << 32 | static_cast<uint64_t>(row), code.Of(splits[row], rows[row])});
      }
    }
    chunks_ = {};
    SortWords(words_);
    next_word_ = 0;
    stage_ = Stage::kGive;
    return Flow::MoreOutput();
  }

  Result<Flow> Give(Out& out) {
    if (next_word_ == words_.size()) {
      stage_ = Stage::kRange;
      return Flow::MoreOutput();
    }
    refs_.clear();
    int64_t bytes = 0;
    while (next_word_ < words_.size() &&
           static_cast<int64_t>(refs_.size()) < context().batch_rows) {
      const uint64_t low = words_[next_word_].low;
      const RowRef ref = {static_cast<int32_t>(low >> 32), static_cast<int32_t>(low)};
      bytes += rows_->bytes_per_row() >= 0 ? rows_->bytes_per_row() : rows_->BytesOf(ref);
      if (bytes > context().batch_bytes && !refs_.empty()) break;
      refs_.push_back(ref);
      ++next_word_;
    }
    ARROW_ASSIGN_OR_RAISE(auto columns, rows_->Gather(refs_, context().pool));
    out.Emit(Batch(std::move(columns), static_cast<int64_t>(refs_.size())));
    return Flow::MoreOutput();
  }

  void StartSampling() {
    PlaceRange range = std::move(range_);
    Forget();
    range_ = std::move(range);
    samples_.clear();
    rows_seen_ = 0;
    stage_ = Stage::kSample;
  }

  Result<Flow> Sample() {
    if (!has_sections()) {
      const int64_t wanted = 2 * RowsOf(range_.pieces) / rows_that_fit_ + 3;
      const int64_t worth = int64_t{1} << BitsWorthWriting(schema_->num_fields(), context());
      const int64_t count = std::min({wanted, worth, kRangesOfOneMax});
      ranges_ = PlaceRanges::Of(std::exchange(samples_, {}), static_cast<size_t>(count));
      divided_.emplace(*WithPlaceColumns(*schema_), /*with_places=*/false, "join-order");
      divided_->Open(context());
      next_piece_ = 0;
      stage_ = Stage::kDivide;
      return Flow::MoreOutput();
    }
    ARROW_ASSIGN_OR_RAISE(const Batch rows, ReadSection());
    const int64_t step = std::max<int64_t>(1, RowsOf(range_.pieces) / kSamplesOfOne);
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      if (rows_seen_++ % step == 0) samples_.push_back({Splits(rows)[row], Rows(rows)[row]});
    }
    return Flow::MoreOutput();
  }

  Result<Flow> Divide() {
    if (!has_sections()) {
      ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<SpillFile> file, divided_->Take());
      divided_.reset();
      for (size_t i = ranges_->size(); i-- > 0;) {
        waiting_.push_back({PiecesOf({file}, static_cast<int>(i)), ranges_->IsOnePlace(i)});
      }
      stage_ = Stage::kRange;
      return Flow::MoreOutput();
    }
    ARROW_ASSIGN_OR_RAISE(Batch rows, ReadSection());
    ranges_->RangesOf(rows, &row_ranges_);
    ARROW_RETURN_NOT_OK(divided_->AddTo(std::move(rows), row_ranges_));
    return Flow::MoreOutput();
  }

  const SchemaPtr schema_;
  const std::shared_ptr<PlaceOrderGlobal> state_;
  const int width_;
  bool pops_ = false;  // rows that have an order
  Stage stage_ = Stage::kPart;
  std::vector<PlaceRange> waiting_;  // of the part in work; the next one is the last
  PlaceRange range_;                 // in work
  size_t next_piece_ = 0;
  std::optional<Batch> section_;
  int64_t rows_that_fit_ = 1;
  bool others_first_ = false;
  Reservation reservation_;
  std::vector<Batch> chunks_;  // with places
  std::optional<RowStore> rows_;
  std::vector<SortWord> words_;  // place, and row of rows_
  size_t next_word_ = 0;
  std::vector<RowRef> refs_;
  // Of a range that is divided.
  std::vector<JoinPlace> samples_;
  int64_t rows_seen_ = 0;
  std::optional<PlaceRanges> ranges_;
  std::vector<uint8_t> row_ranges_;
  std::optional<JoinRowWriter> divided_;
};

}  // namespace

std::unique_ptr<Operator> PlaceOrderSpec::Make(std::shared_ptr<GlobalState>) const {
  return std::make_unique<PlaceOrder>(schema, state);
}

}  // namespace headrace
