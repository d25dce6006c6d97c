// PartitionedRows: which rows of a batch are of which partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace headrace {

/// The rows of a batch, partition by partition. Range i belongs to partition `partitions[i]` and
/// covers places [ends[i − 1], ends[i]) of `row_at`.
struct PartitionedRows {
  std::vector<uint32_t> partitions;
  std::vector<int64_t> ends;
  std::vector<uint32_t> row_at;    // by place
  std::vector<uint32_t> place_of;  // by row
  bool in_place = true;            // row_at[i] = i

  void SetWhole(int64_t num_rows) {
    partitions = {0};
    ends = {num_rows};
    in_place = true;
  }

  // A counting sort; `range_of_partition` is scratch of one entry per partition, all kNoRange
  // before and after.
  static constexpr uint32_t kNoRange = 0xffffffffU;
  void Set(const std::vector<uint32_t>& partition_of_row,
           std::vector<uint32_t>* range_of_partition) {
    const size_t rows = partition_of_row.size();
    partitions.clear();
    ends.clear();
    for (uint32_t partition : partition_of_row) {
      uint32_t& range = (*range_of_partition)[partition];
      if (range == kNoRange) {
        range = static_cast<uint32_t>(partitions.size());
        partitions.push_back(partition);
        ends.push_back(0);
      }
      ++ends[range];
    }
    std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), int64_t{0});
    row_at.resize(rows);
    place_of.resize(rows);
    in_place = true;
    for (size_t row = 0; row < rows; ++row) {
      const int64_t place = ends[(*range_of_partition)[partition_of_row[row]]]++;
      row_at[static_cast<size_t>(place)] = static_cast<uint32_t>(row);
      place_of[row] = static_cast<uint32_t>(place);
      in_place = in_place && place == static_cast<int64_t>(row);
    }
    for (uint32_t partition : partitions) (*range_of_partition)[partition] = kNoRange;
  }
};

}  // namespace headrace
