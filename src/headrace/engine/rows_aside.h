// Rows that operators of a job put aside become dead letters.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/table/dead_letters.h"

namespace headrace {

/// Letters have the row as a JSON object, the noun as error and the query's name as source; they
/// have no position. Thread safe.
class RowsToDeadLetters final : public RowsAside {
 public:
  RowsToDeadLetters(std::shared_ptr<DeadLetters> box, std::string query, arrow::MemoryPool* pool)
      : box_(std::move(box)), query_(std::move(query)), pool_(pool) {}
  Status Put(const SchemaPtr& schema, const Batch& rows, const char* why) override;

 private:
  const std::shared_ptr<DeadLetters> box_;
  const std::string query_;
  arrow::MemoryPool* const pool_;
};

}  // namespace headrace
