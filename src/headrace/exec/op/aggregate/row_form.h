// RowForm: the columns of rows that an aggregation reads, for rows that are kept as they came.
#pragma once

#include <vector>

#include "headrace/exec/op/aggregate/aggregate_terms.h"

namespace headrace {

/// Immutable; shared by lanes.
struct RowForm {
  std::vector<int> columns;    // of the input: the keys, then arguments that are no keys
  bool has_positions = false;  // somebody asks where rows stand
  SchemaPtr schema;            // of kept rows: those columns, plain; then split and row
  AggregateTermsPtr terms;     // the same aggregation over kept rows: states are laid out alike

  static Result<RowForm> Make(const SchemaPtr& schema, const std::vector<int>& keys,
                              const std::vector<FunctionCall>& calls, GroupFields fields);
  /// Of a compacted batch of the input.
  Result<Batch> Read(const Batch& batch, arrow::MemoryPool* pool) const;
  /// Memory of the rows of a batch of the input, were they kept.
  int64_t BytesOf(const Batch& batch) const;
  /// A column of kept rows is read when they are added.
  bool IsRead(int column) const;
  /// Adds kept rows, each to a state. Columns that are not read may be null.
  Status Add(const Batch& rows, const std::vector<std::byte*>& states,
             std::span<KernelContext> contexts, arrow::MemoryPool* pool) const;
};

}  // namespace headrace
