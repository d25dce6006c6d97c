// Sort: a stable external sort in two pipelines. The first ends in SortBuild, which keeps sorted
// blocks and writes runs when memory is wanted; the second starts with SortOutput, which merges
// them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/types/ordering.h"

namespace headrace {

/// Ends a pipeline, on any number of lanes. Equal rows keep the order of their RowPosition, so the
/// result does not depend on the lanes. Plain encodings come out.
class SortBuildSpec final : public OperatorSpec {
 public:
  /// `keys` index `schema`, the input's.
  SortBuildSpec(SchemaPtr schema, Ordering keys, std::optional<int64_t> rows_wanted = std::nullopt,
                size_t whole_keys = 0)
      : schema(std::move(schema)),
        keys(std::move(keys)),
        rows_wanted(rows_wanted),
        whole_keys(whole_keys) {}
  std::string name() const override { return "sort"; }
  std::string Describe() const override;
  /// kUnsupported, naming column and type, when a key cannot be ordered. Open checks it too.
  Status Check() const;
  std::shared_ptr<GlobalState> MakeGlobal() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const Ordering keys;
  /// At least 1: rows behind the first so many may be missing from the output.
  const std::optional<int64_t> rows_wanted;
  /// Rows that are equal in so many keys, the first ones, come in one part; 0: they need not.
  const size_t whole_keys;
};

/// Starts the next pipeline: its input is the parts of the build's global state (batches without
/// columns, ordinal.split = part); every part comes out in batches of at most context.batch_rows.
class SortOutputSpec final : public OperatorSpec {
 public:
  SortOutputSpec(SchemaPtr schema, Ordering keys)
      : schema(std::move(schema)), keys(std::move(keys)) {}
  std::string name() const override { return "sort_output"; }
  /// `global` is that of the build, sealed before the first Push. MakeGlobal gives null.
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const Ordering keys;
};

class Lowering;
/// Sorts the rows of the open pipeline, whose schema is `schema`; see SortBuildSpec.
void LowerToSort(const SchemaPtr& schema, const Ordering& keys, Lowering& lowering,
                 std::optional<int64_t> rows_wanted = std::nullopt, size_t whole_keys = 0);

}  // namespace headrace
