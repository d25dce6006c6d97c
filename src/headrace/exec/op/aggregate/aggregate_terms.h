// AggregateTerms: what an aggregation computes, and where each call's state lies in a group's row.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/function/function.h"
#include "headrace/plan/node.h"
#include "headrace/types/key/key_encoder.h"

namespace headrace {

/// By estimate, of a key and its place in a table of groups.
inline constexpr int64_t kKeyBytes = 64;

/// What is kept per group besides the states of the calls.
struct GroupFields {
  bool first = false;  // the RowPosition of its first row
  bool rows = false;   // how many rows it has
};

/// One call. Its state is at `offset` in the row.
struct AggregateCall {
  const AggregateKernel* kernel = nullptr;
  size_t offset = 0;
  TypePtr type;
  std::string name;
  std::vector<int> columns;         // per argument; −1: a literal
  std::vector<Argument> arguments;  // the literals; others are filled in per batch
};

/// Immutable; shared by lanes.
class AggregateTerms {
 public:
  /// kUnsupported for key types that cannot be grouped, DISTINCT calls, and calls that cannot take
  /// rows back where `removes`.
  static Result<std::shared_ptr<const AggregateTerms>> Make(const SchemaPtr& schema,
                                                            const std::vector<int>& keys,
                                                            const std::vector<FunctionCall>& calls,
                                                            GroupFields fields, bool removes);

  const KeyEncoder& encoder() const { return encoder_; }
  const std::vector<AggregateCall>& calls() const { return calls_; }
  const GroupFields& fields() const { return fields_; }
  size_t row_size() const { return row_size_; }
  size_t row_align() const { return row_align_; }
  /// Whether states own memory beyond their rows.
  bool has_extra() const { return has_extra_; }
  /// Whether states have to be destroyed.
  bool has_destroy() const { return has_destroy_; }
  /// Whether the bytes of a row are all that there is of its states.
  bool is_plain() const { return !has_extra_ && !has_destroy_; }
  /// Key columns, a binary column per call, and the fields: the schema of saved groups.
  const SchemaPtr& saved_schema() const { return saved_schema_; }
  /// The schema of groups in spills: where rows are plain, key columns and one column of the rows
  /// as they lie in memory.
  const SchemaPtr& spilled_schema() const { return spilled_schema_; }

  void Init(std::byte* row) const;
  void Destroy(std::byte* row) const;
  /// Memory that the states of the row own beyond it.
  int64_t ExtraBytesOf(const std::byte* row) const;
  RowPosition& FirstOf(std::byte* row) const;
  int64_t& RowsOf(std::byte* row) const;
  /// As counted last; see GroupStore::CountExtra.
  int64_t& CountedExtraOf(std::byte* row) const;

  /// Arguments of every call, in plain encoding, for all rows of a compacted batch.
  Result<std::vector<std::vector<Argument>>> ArgumentsOf(const Batch& batch,
                                                         arrow::MemoryPool* pool) const;
  std::vector<KernelContext> ContextsOf(arrow::MemoryPool* pool) const;

 private:
  explicit AggregateTerms(KeyEncoder encoder) : encoder_(std::move(encoder)) {}
  Status AddCall(const FunctionCall& call, bool removes);
  size_t Place(size_t size, size_t align);
  void LayOut();
  void MakeSavedSchema();
  void MakeSpilledSchema();

  KeyEncoder encoder_;
  std::vector<AggregateCall> calls_;
  GroupFields fields_;
  size_t row_size_ = 0;
  size_t row_align_ = 1;
  size_t first_offset_ = 0;
  size_t rows_offset_ = 0;
  size_t extra_offset_ = 0;
  bool has_extra_ = false;
  bool has_destroy_ = false;
  SchemaPtr saved_schema_;
  SchemaPtr spilled_schema_;
};

using AggregateTermsPtr = std::shared_ptr<const AggregateTerms>;

/// One row of states outside any table.
class StateRow {
 public:
  explicit StateRow(const AggregateTerms& terms);
  ~StateRow() { terms_.Destroy(row_); }
  StateRow(const StateRow&) = delete;
  StateRow& operator=(const StateRow&) = delete;

  void Reset();
  std::byte* get() const { return row_; }

 private:
  const AggregateTerms& terms_;
  std::vector<std::byte> bytes_;
  std::byte* row_;
};

/// Merges states and fields of the row `from` into another; see AggregateKernel::merge.
Status MergeStates(const AggregateTerms& terms, std::byte* into, std::byte* from,
                   std::span<KernelContext> contexts);

/// The results of the calls over state rows.
Result<std::vector<ArrayPtr>> FinishStates(const AggregateTerms& terms,
                                           std::span<std::byte* const> states,
                                           std::span<KernelContext> contexts);

/// Where fields().first: appends two columns (int64), split and row of the first rows of states.
Status AppendFirst(const AggregateTerms& terms, std::span<std::byte* const> states,
                   arrow::MemoryPool* pool, std::vector<ArrayPtr>* columns);

/// "keys=[tier], calls=[count()]".
std::string DescribeAggregate(const arrow::Schema& schema, const std::vector<int>& keys,
                              const std::vector<FunctionCall>& calls);

/// Arguments for rows [begin, end).
std::vector<Argument> SliceArguments(const std::vector<Argument>& arguments, int64_t begin,
                                     int64_t end);

}  // namespace headrace
