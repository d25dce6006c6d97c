// The order of places: rows of a join that was spilled come key group by key group, and each knows
// the place (split, row) that it stands for. They are written by ranges of places, and each range
// is put in order in memory.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/op/join/hash_join_partition.h"
#include "headrace/exec/op/row_spool.h"
#include "headrace/exec/operator.h"

namespace headrace {

class HashJoinRest;
class Lowering;

/// Ranges of places, one behind the other, that cover all places.
class PlaceRanges {
 public:
  /// At most `count` ranges, 3 or more, each with about as many places like `samples`.
  static PlaceRanges Of(std::vector<JoinPlace> samples, size_t count);

  size_t size() const { return bounds_.size() + 1; }
  size_t RangeOf(const JoinPlace& place) const;
  /// The range of every row of a batch, whose places are behind its columns.
  void RangesOf(const Batch& rows, std::vector<uint8_t>* ranges) const;
  /// It has one place only.
  bool IsOnePlace(size_t range) const;

 private:
  std::vector<JoinPlace> bounds_;  // range i ends before bounds_[i]; ascending
};

/// What lanes wrote, by range; its parts are the ranges. Of a join that wrote nothing the rows come
/// in order from one lane, and are one part.
class PlaceOrderGlobal final : public GlobalState {
 public:
  PlaceOrderGlobal(SchemaPtr schema, std::shared_ptr<HashJoinRest> rest)
      : schema_(std::move(schema)), rest_(std::move(rest)) {}

  bool has_order() const;
  /// Made at the first call, when the probe has ended. Thread safe.
  const PlaceRanges& ranges(const OperatorContext& context);
  void AddFile(std::shared_ptr<SpillFile> file) { files_.push_back(std::move(file)); }
  const std::vector<std::shared_ptr<SpillFile>>& files() const { return files_; }
  /// Of rows that have an order. Made at the first call; for one lane at a time.
  RowSpool& spool(const OperatorContext& context);
  bool has_spool() const { return spool_ != nullptr; }
  int64_t num_parts() const override;

 private:
  const SchemaPtr schema_;
  const std::shared_ptr<HashJoinRest> rest_;
  std::once_flag ranges_once_;
  std::optional<PlaceRanges> ranges_;
  std::vector<std::shared_ptr<SpillFile>> files_;
  std::optional<OperatorContext> context_;  // of the spool
  std::unique_ptr<RowSpool> spool_;
};

/// Ends a pipeline of rows with the columns of `schema` and behind them their place.
class PlaceOrderBuildSpec final : public OperatorSpec {
 public:
  PlaceOrderBuildSpec(SchemaPtr schema, std::shared_ptr<PlaceOrderGlobal> state)
      : schema(std::move(schema)), state(std::move(state)) {}
  std::string name() const override { return "place_order_build"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::shared_ptr<PlaceOrderGlobal> state;
};

/// Over the parts of PlaceOrderGlobal: the rows by their places, without these. Rows of one place
/// come as they came. A range that does not fit in memory is divided.
class PlaceOrderSpec final : public OperatorSpec {
 public:
  PlaceOrderSpec(SchemaPtr schema, std::shared_ptr<PlaceOrderGlobal> state)
      : schema(std::move(schema)), state(std::move(state)) {}
  std::string name() const override { return "place_order"; }
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const std::shared_ptr<PlaceOrderGlobal> state;
};

/// Brings the rows that `rest` gives, of `schema` and with places, in the order of these.
void LowerToPlaceOrder(const SchemaPtr& schema, std::shared_ptr<HashJoinRest> rest,
                       Lowering& lowering);

}  // namespace headrace
