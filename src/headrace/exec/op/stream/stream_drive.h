// For tests: drives keyed operators of streams – rows go to the lane that owns their key group, and
// state is saved and loaded – and puts changes together.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array.h"
#include "headrace/base/hash.h"
#include "headrace/exec/op/test_drive.h"
#include "headrace/exec/spill/state_file.h"
#include "headrace/types/key/key_hash.h"

namespace headrace::breaker_test {

/// A keyed operator on some lanes, fed as an exchange feeds it.
class StreamDrive {
 public:
  StreamDrive(World& world, const OperatorSpec& spec, std::vector<int> keys)
      : world_(world), keys_(std::move(keys)), lanes_(world, spec, nullptr) {}

  Status Open() { return lanes_.Open(); }
  // Every lane gets the rows of its key groups, in their order.
  Status Push(const Batch& batch) {
    ARROW_ASSIGN_OR_RAISE(Batch rows, batch.Compact(Pool()));
    std::vector<ArrayPtr> keys;
    for (int key : keys_) keys.push_back(rows.column(key));
    std::vector<uint64_t> hashes;
    ARROW_RETURN_NOT_OK(HashKeys(keys, rows.num_rows(), Pool(), &hashes));
    for (int lane = 0; lane < world_.options.lanes; ++lane) {
      auto selected = std::make_shared<std::vector<uint32_t>>();
      for (uint32_t row = 0; row < hashes.size(); ++row) {
        const int owner = LaneOfKeyGroup(KeyGroupOf(hashes[row]), world_.options.lanes);
        if (owner == lane) selected->push_back(row);
      }
      if (selected->empty()) continue;
      Batch part = rows.WithSelection(selected);
      ARROW_RETURN_NOT_OK(lanes_.Repeat(
          static_cast<size_t>(lane), [&](Operator& op, Out& out) { return op.Push(0, part, out); },
          &outputs_));
    }
    return Status::OK();
  }
  Status Advance(int64_t micros) {
    return OnEveryLane([&](Operator& op, Out& out) { return op.Advance(0, {micros}, out); });
  }
  Status Finish() {
    return OnEveryLane([](Operator& op, Out& out) { return op.Finish(0, out); });
  }
  Status Save(Vfs& vfs) {
    ARROW_ASSIGN_OR_RAISE(auto writer, StateWriter::Make(vfs, "/state", Pool()));
    for (const auto& op : lanes_.operators()) ARROW_RETURN_NOT_OK(op->Save(*writer));
    return writer->Close(/*sync=*/true);
  }
  Status Load(Vfs& vfs) {
    ARROW_ASSIGN_OR_RAISE(auto reader, StateReader::Make(vfs, "/state", Pool()));
    for (const auto& op : lanes_.operators()) ARROW_RETURN_NOT_OK(op->Load(*reader));
    return Status::OK();
  }
  std::vector<Batch> TakeOutputs() { return std::exchange(outputs_, {}); }
  const std::vector<Watermark>& watermarks() const { return lanes_.watermarks(); }

 private:
  template <typename Call>
  Status OnEveryLane(Call call) {
    for (size_t lane = 0; lane < lanes_.operators().size(); ++lane) {
      ARROW_RETURN_NOT_OK(lanes_.Repeat(lane, call, &outputs_));
    }
    return Status::OK();
  }

  World& world_;
  const std::vector<int> keys_;
  Lanes lanes_;
  std::vector<Batch> outputs_;
};

inline Cells SortedRows(Cells cells) {
  std::sort(cells.begin(), cells.end());
  return cells;
}

// The rows that are left when updates are applied in order. Every −1 must take a row that is there.
class Materialized {
 public:
  void Apply(const Batch& batch) {
    const Cells cells = CellsOf(batch);
    const auto& changes = static_cast<const arrow::Int8Array&>(*batch.change());
    for (size_t row = 0; row < cells.size(); ++row) {
      if (changes.Value(static_cast<int64_t>(row)) > 0) {
        rows_.insert(cells[row]);
        continue;
      }
      const auto found = rows_.find(cells[row]);
      ASSERT_NE(found, rows_.end()) << "a row is taken back that is not there: " << cells[row][0];
      rows_.erase(found);
    }
  }
  Cells rows() const { return {rows_.begin(), rows_.end()}; }

 private:
  std::multiset<std::vector<std::string>> rows_;
};

}  // namespace headrace::breaker_test
