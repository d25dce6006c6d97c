// One lane of the probe.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/join/hash_join_state.h"
#include "headrace/exec/op/join/join_matcher.h"
#include "headrace/exec/op/take_rows.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// After so many keys of spilled groups a lane stops to ask a filter that refused fewer than one in
// kRefusedInverse of them.
constexpr int64_t kKeysOfTrial = int64_t{1} << 16;
constexpr int64_t kRefusedInverse = 20;

class HashJoinProbe final : public Operator {
 public:
  HashJoinProbe(HashJoinTermsPtr terms, std::shared_ptr<HashJoinRest> rest)
      : terms_(std::move(terms)),
        rest_(std::move(rest)),
        writer_(*terms_->probe, terms_->order_read, "join-probe") {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    writer_.Open(this->context(), rest_->pieces().written_bits(context));
    if (!terms_->probe_keys.empty()) {
      ARROW_ASSIGN_OR_RAISE(encoder_,
                            KeyEncoder::Make(KeyColumnsOf(*terms_->probe, terms_->probe_keys)));
    }
    matcher_.emplace(terms_, table(), encoder_ ? &*encoder_ : nullptr, context);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    const HashJoinPieces& pieces = rest_->pieces();
    if (!is_matching_) {
      if (!pieces.is_spilled() && MatchesNothing()) return Flow::Finished();
      ARROW_ASSIGN_OR_RAISE(Batch probe, batch.Compact(context().pool));
      if (pieces.is_spilled()) {
        ARROW_ASSIGN_OR_RAISE(probe, WriteSpilled(std::move(probe)));
        if (probe.num_rows() == 0 || MatchesNothing()) return Flow::NeedInput();
      }
      ARROW_RETURN_NOT_OK(matcher_->Begin(std::move(probe), pieces.null_keys()));
      is_matching_ = true;
    }
    ARROW_ASSIGN_OR_RAISE(is_matching_, matcher_->Step(out));
    return is_matching_ ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out&) override {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_.Take());
    if (file != nullptr) rest_->AddProbeFile(std::move(file), writer_.TakePlaces());
    return Flow::NeedInput();
  }

  Result<int64_t> Reclaim(int64_t) override {
    const int64_t freed = writer_.held_bytes();
    ARROW_RETURN_NOT_OK(writer_.Flush());
    return freed;
  }

 private:
  JoinTable& table() const { return *rest_->pieces().table(); }
  bool MatchesNothing() const { return terms_->drops_unmatched() && table().num_rows() == 0; }

  // Writes the rows of spilled groups, but for those that the filter refuses: these match nothing,
  // and are among the rows it gives where they are to be answered.
  Result<Batch> WriteSpilled(Batch rows) {
    const Ordinal ordinal = rows.ordinal();
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    rows.set_ordinal(ordinal);
    keys_.hashes.assign(static_cast<size_t>(rows.num_rows()), 0);
    if (encoder_.has_value()) {
      ARROW_RETURN_NOT_OK(encoder_->Encode(rows, context().pool, &keys_));
    }
    Divide();
    ARROW_RETURN_NOT_OK(writer_.Add(rows, keys_.hashes, written_));
    if (written_.empty() && static_cast<int64_t>(kept_.size()) == rows.num_rows()) return rows;
    ARROW_ASSIGN_OR_RAISE(Batch kept, TakeRows(rows, kept_, context().pool));
    kept.set_ordinal(ordinal);
    return kept;
  }

  void Divide() {
    const KeyFilter* const filter = FilterToAsk();
    const bool answers = !terms_->drops_unmatched();
    const std::vector<uint64_t>& hashes = keys_.hashes;
    DivideRows(rest_->pieces().spilled(), hashes, &written_, &kept_);
    if (filter == nullptr) return;
    size_t passed = 0;
    for (size_t i = 0; i < written_.size(); ++i) {
      if (i + kPrefetchAhead < written_.size()) {
        filter->Prefetch(hashes[written_[i + kPrefetchAhead]]);
      }
      const uint32_t row = written_[i];
      const bool passes = filter->MayHave(hashes[row]);
      written_[passed] = row;
      passed += passes ? 1 : 0;
      if (answers && !passes) kept_.push_back(row);
    }
    asked_ += static_cast<int64_t>(written_.size());
    refused_ += static_cast<int64_t>(written_.size() - passed);
    written_.resize(passed);
  }

  // None when it refuses little.
  const KeyFilter* FilterToAsk() const {
    if (asked_ >= kKeysOfTrial && refused_ * kRefusedInverse < asked_) return nullptr;
    return rest_->pieces().filter();
  }

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::optional<JoinMatcher> matcher_;
  std::optional<KeyEncoder> encoder_;
  EncodedKeys keys_;
  bool is_matching_ = false;
  JoinRowWriter writer_;  // of the rows of spilled groups
  int64_t asked_ = 0;     // keys, of the filter
  int64_t refused_ = 0;
  // Of the batch in work.
  std::vector<uint32_t> written_;
  std::vector<uint32_t> kept_;
};

}  // namespace

int HashJoinTerms::columns_max() const {
  return std::max(probe->num_fields(), build->num_fields());
}

std::string HashJoinTerms::Describe() const {
  static constexpr const char* kNames[] = {"inner", "left", "right", "full",
                                           "semi",  "anti", "mark",  "single"};
  std::string text = kNames[static_cast<size_t>(kind)];
  for (size_t i = 0; i < probe_keys.size(); ++i) {
    text += (i == 0 ? ", keys=" : ", ") + probe->field(probe_keys[i])->name();
  }
  if (residual != nullptr) text += ", residual=" + ToString(*residual);
  return text;
}

std::unique_ptr<Operator> HashJoinProbeSpec::Make(std::shared_ptr<GlobalState> global) const {
  return std::make_unique<HashJoinProbe>(terms, std::static_pointer_cast<HashJoinRest>(global));
}

}  // namespace headrace
