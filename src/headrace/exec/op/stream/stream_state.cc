// Sections of watermarks, and the loop over the sections of a lane.
#include "headrace/exec/op/stream/stream_state.h"

#include "arrow/array.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr int kWatermarkKeyGroup = 0;

Status RaiseTo(const arrow::RecordBatch& saved, std::span<int64_t> watermarks) {
  for (size_t port = 0; port < watermarks.size(); ++port) {
    const auto& column =
        static_cast<const arrow::Int64Array&>(*saved.column(static_cast<int>(port)));
    if (column.length() != 1 || column.null_count() > 0) {
      return Error(ErrorKind::kBadData, "the saved watermark of a stream's operator is not one");
    }
    watermarks[port] = std::max(watermarks[port], column.Value(0));
  }
  return Status::OK();
}

}  // namespace

SchemaPtr WatermarkSchemaOf(const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  for (const std::string& name : names) {
    fields.push_back(arrow::field(name, arrow::int64(), /*nullable=*/false));
  }
  return arrow::schema(std::move(fields));
}

Status SaveWatermarks(const SchemaPtr& schema, std::span<const int64_t> watermarks,
                      StateWriter& writer, arrow::MemoryPool* pool) {
  std::vector<ArrayPtr> columns;
  for (const int64_t watermark : watermarks) {
    arrow::Int64Builder builder(pool);
    ARROW_RETURN_NOT_OK(builder.Append(watermark));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
  }
  return writer.Write(kWatermarkKeyGroup, *arrow::RecordBatch::Make(schema, 1, std::move(columns)));
}

Status LoadStreamState(StateReader& reader, const OperatorContext& context,
                       const SchemaPtr& watermark_schema, std::span<int64_t> watermarks,
                       const std::function<Status(int, const arrow::RecordBatch&)>& load) {
  const auto [first, last] = KeyGroupsOfLane(context.lane, context.lanes);
  for (const StateSection& section : reader.sections()) {
    const bool is_owned = section.key_group >= first && section.key_group < last;
    if (!is_owned && section.key_group != kWatermarkKeyGroup) continue;
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader.Read(section));
    if (batch->schema()->Equals(*watermark_schema)) {
      ARROW_RETURN_NOT_OK(RaiseTo(*batch, watermarks));
    } else if (is_owned) {
      ARROW_RETURN_NOT_OK(load(section.key_group, *batch));
    }
  }
  return Status::OK();
}

}  // namespace headrace
