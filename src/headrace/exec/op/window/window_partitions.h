// WindowPartitions: the keys and states of the partitions that a window operator has met, and their
// saved form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/exec/op/key_numbering.h"
#include "headrace/exec/op/window/window_call.h"
#include "headrace/exec/op/window/window_states.h"

namespace arrow {
class RecordBatch;
}

namespace headrace {

class SpillFile;
class StateWriter;

/// Partitions are numbered as their keys are. One thread.
class WindowPartitions {
 public:
  /// `calls` outlive it. `owner` names the operator in messages.
  WindowPartitions(SchemaPtr schema, std::vector<int> partition_by,
                   const std::vector<WindowCall>& calls, std::string owner,
                   arrow::MemoryPool* pool);

  /// Before anything else: forgets all partitions.
  Status Clear();
  /// Forgets all but one, which becomes number 0. REQUIRES: there are keys.
  Status ForgetAllBut(uint32_t partition);
  /// Makes states for keys that are new.
  void Extend();

  KeyNumbering& keys() { return *keys_; }
  const KeyNumbering& keys() const { return *keys_; }
  const WindowStates& states() const { return *states_; }
  /// What states own besides their blocks grew by so much.
  void CountOwned(int64_t more) { owned_bytes_ += more; }
  int64_t owned_bytes() const { return owned_bytes_; }
  /// Memory held.
  int64_t bytes() const {
    return states_->BlockBytes(states_->size()) + keys_->bytes() + owned_bytes_;
  }

  Status Save(StateWriter& writer);
  Status Save(SpillFile& file);
  /// A section that Save wrote, of partitions that are not here; kBadData where it is none.
  Status Load(const arrow::RecordBatch& saved_rows);

 private:
  template <typename Writer>
  Status SaveTo(Writer& writer);
  template <typename Writer>
  Status SaveSome(Writer& writer, int key_group, const std::vector<uint32_t>& groups);
  Result<ArrayPtr> SavedStates(size_t index, const std::vector<uint32_t>& groups) const;
  Status CheckSection(const arrow::Schema& section, int64_t num_rows) const;
  Status LoadKeys(const Batch& section, std::vector<uint32_t>* groups);

  const SchemaPtr schema_;
  const std::vector<int> partition_by_;
  const std::vector<WindowCall>& calls_;
  const std::string owner_;
  arrow::MemoryPool* const pool_;
  std::optional<KeyNumbering> keys_;
  std::optional<WindowStates> states_;
  int64_t owned_bytes_ = 0;
};

}  // namespace headrace
