// KeyedTable::Pin: keeps the rows of one state of a table readable.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "headrace/connect/memory/keyed_table.h"

namespace headrace {

/// What is retired while `epoch` is set stays readable as far as that state saw it. `epoch` changes
/// under the table's lock, shared or not. REQUIRES: made and dropped without the lock.
class KeyedTable::Pin {
 public:
  explicit Pin(std::shared_ptr<KeyedTable> table) : table_(std::move(table)) {
    std::unique_lock lock(table_->lock_);
    table_->pins_.insert(this);
  }
  ~Pin() {
    std::unique_lock lock(table_->lock_);
    table_->pins_.erase(this);
    table_->ReleasePages();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  KeyedTable& table() const { return *table_; }

  uint64_t epoch = kNoEpoch;

 private:
  const std::shared_ptr<KeyedTable> table_;
};

}  // namespace headrace
