// One lane of the probe.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/exec/op/hash_join_state.h"
#include "headrace/exec/op/join_matcher.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

// Rows held before they are written by key group: this, or less in a small budget.
constexpr int64_t kHeldBytesMax = int64_t{8} << 20;
constexpr int64_t kHeldBytesMin = int64_t{256} << 10;
constexpr int64_t kHeldPerBudget = 16;

class HashJoinProbe final : public Operator {
 public:
  HashJoinProbe(HashJoinTermsPtr terms, std::shared_ptr<HashJoinRest> rest)
      : terms_(std::move(terms)), rest_(std::move(rest)), writer_(terms_->probe) {}

  Status Open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(Keep(context));
    held_ = Reservation(context.budget);
    if (!terms_->probe_keys.empty()) {
      ARROW_ASSIGN_OR_RAISE(encoder_,
                            KeyEncoder::Make(KeyColumnsOf(*terms_->probe, terms_->probe_keys)));
    }
    matcher_.emplace(terms_, *rest_->pieces().table(), encoder_ ? &*encoder_ : nullptr, context);
    return Status::OK();
  }

  Result<Flow> Push(int, Batch& batch, Out& out) override {
    if (rest_->pieces().is_spilled()) return Write(batch);
    if (!is_matching_) {
      if (MatchesNothing()) return Flow::Finished();
      ARROW_ASSIGN_OR_RAISE(Batch probe, batch.Compact(context().pool));
      ARROW_RETURN_NOT_OK(matcher_->Begin(std::move(probe), rest_->pieces().null_keys()));
      is_matching_ = true;
    }
    ARROW_ASSIGN_OR_RAISE(is_matching_, matcher_->Step(out));
    return is_matching_ ? Flow::MoreOutput() : Flow::NeedInput();
  }

  Result<Flow> Finish(int, Out&) override {
    ARROW_RETURN_NOT_OK(FlushHeld());
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<SpillFile> file, writer_.Take());
    if (file != nullptr) rest_->AddProbeFile(std::move(file));
    return Flow::NeedInput();
  }

  Result<int64_t> Reclaim(int64_t) override {
    const int64_t freed = held_.bytes();
    ARROW_RETURN_NOT_OK(FlushHeld());
    return freed;
  }

 private:
  bool MatchesNothing() const {
    if (terms_->keeps_probe() || rest_->pieces().table()->num_rows() > 0) return false;
    return terms_->gives_pairs() || terms_->kind == JoinKind::kSemi;
  }

  Status FlushHeld() {
    ARROW_RETURN_NOT_OK(writer_.Flush(context()));
    held_.Clear();
    return Status::OK();
  }

  Result<Flow> Write(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(context().pool));
    ARROW_ASSIGN_OR_RAISE(rows, DecodeBatch(rows, context().pool));
    const int64_t bytes = rows.num_bytes();
    if (!held_.TryGrow(bytes)) {
      ARROW_RETURN_NOT_OK(FlushHeld());
      if (!held_.TryGrow(bytes)) return Flow::NeedMemory(bytes);
    }
    rows.set_ordinal(batch.ordinal());
    keys_.hashes.assign(static_cast<size_t>(rows.num_rows()), 0);
    if (encoder_.has_value()) {
      ARROW_RETURN_NOT_OK(encoder_->Encode(rows, context().pool, &keys_));
    }
    writer_.Add(std::move(rows), keys_.hashes);
    const int64_t held_max =
        std::clamp(context().budget->limit_bytes() / kHeldPerBudget, kHeldBytesMin, kHeldBytesMax);
    if (writer_.held_bytes() >= held_max) ARROW_RETURN_NOT_OK(FlushHeld());
    return Flow::NeedInput();
  }

  const HashJoinTermsPtr terms_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::optional<JoinMatcher> matcher_;
  std::optional<KeyEncoder> encoder_;
  EncodedKeys keys_;
  bool is_matching_ = false;
  KeyGroupWriter writer_;  // when the built side was written
  Reservation held_;
};

}  // namespace

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
