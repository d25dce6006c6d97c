// What the keyed operators of streams have in common when their state is saved: rows by key group,
// and a section of watermarks, one per port.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "headrace/exec/operator.h"
#include "headrace/exec/spill/state_file.h"

namespace headrace {

/// Of the section of watermarks; `names` tell it from the operator's other sections.
SchemaPtr WatermarkSchemaOf(const std::vector<std::string>& names);

/// Every lane saves its own, in microseconds, and every lane reads those of all.
Status SaveWatermarks(const SchemaPtr& schema, std::span<const int64_t> watermarks,
                      StateWriter& writer, arrow::MemoryPool* pool);

/// Gives `load` the sections of the lane's key groups, and raises `watermarks` to the greatest that
/// any lane has saved.
Status LoadStreamState(StateReader& reader, const OperatorContext& context,
                       const SchemaPtr& watermark_schema, std::span<int64_t> watermarks,
                       const std::function<Status(int, const arrow::RecordBatch&)>& load);

/// Calls save(key group, rows) for a few thousand rows at a time.
template <typename Row, typename SaveRows>
Status SaveInSections(const std::vector<std::vector<Row>>& by_key_group, const SaveRows& save) {
  for (size_t group = 0; group < by_key_group.size(); ++group) {
    const std::span<const Row> all(by_key_group[group]);
    for (size_t begin = 0; begin < all.size(); begin += kRowsPerSection) {
      const size_t count = std::min(all.size() - begin, kRowsPerSection);
      ARROW_RETURN_NOT_OK(save(static_cast<int>(group), all.subspan(begin, count)));
    }
  }
  return Status::OK();
}

}  // namespace headrace
