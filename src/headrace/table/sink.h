// Sink: where rows end up – a file, a stream, a table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/table/source.h"

namespace headrace {

/// Calls come in this order:
///   Open · (Write* · Prepare(e) · Sync(e) · Commit(e))* with rising epochs, or Abort at any point.
/// One at a time, but that a job syncs and commits e on another thread, beside Writes of e + 1.
/// A batch write is epoch 0. Nothing is visible before Commit; Commit is idempotent, and after a
/// restart it is called again for a prepared epoch. Dropping a sink without Commit is Abort.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::string name() const = 0;
  /// Change modes it can take; upsert and retract need the key columns given at its making.
  virtual bool Accepts(ChangeMode mode) const { return mode == ChangeMode::kAppend; }
  virtual Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) = 0;
  /// `batch` has exactly the schema given to Open. May fail; then only Abort is allowed.
  virtual Status Write(const arrow::RecordBatch& batch) = 0;
  virtual Status Prepare(int64_t epoch) = 0;
  /// Waits until what was prepared outlives the machine; nothing to do where Prepare does.
  virtual Status Sync(int64_t) { return Status::OK(); }
  virtual Status Commit(int64_t epoch) = 0;
  virtual Status Abort() = 0;
};

}  // namespace headrace
