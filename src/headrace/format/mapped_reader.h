// MappedReader: the batches of another reader, each made into another batch of the same rows.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "headrace/table/source.h"

namespace headrace {

class MappedReader final : public SplitReader {
 public:
  using Map = std::function<Result<Batch>(Batch batch)>;
  MappedReader(std::unique_ptr<SplitReader> reader, Map map)
      : reader_(std::move(reader)), map_(std::move(map)) {}

  Result<ReadResult> Next() override {
    ARROW_ASSIGN_OR_RAISE(ReadResult read, reader_->Next());
    if (!std::holds_alternative<Batch>(read)) return read;
    ARROW_ASSIGN_OR_RAISE(Batch mapped, map_(std::get<Batch>(std::move(read))));
    return ReadResult(std::move(mapped));
  }
  int64_t bytes() const override { return reader_->bytes(); }

 private:
  const std::unique_ptr<SplitReader> reader_;
  const Map map_;
};

}  // namespace headrace
