// Matching of columns by name, and readers that fill in and widen.
#include "headrace/format/union_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/compute/cast.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "headrace/base/hash.h"
#include "headrace/format/file_source.h"
#include "headrace/format/mapped_reader.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

constexpr int kMissing = -1;
/// Splits that one source may have.
constexpr int64_t kSplitsMax = int64_t{1} << 32;

int BitsOf(const arrow::DataType& type) {
  return static_cast<const arrow::FixedWidthType&>(type).bit_width();
}

/// A type that takes the values of both; null when there is none.
TypePtr Wider(const TypePtr& left, const TypePtr& right) {
  if (SameLogicalType(*left, *right)) return left;
  if (left->id() == arrow::Type::NA) return right;
  if (right->id() == arrow::Type::NA) return left;
  const bool integers = arrow::is_integer(left->id()) && arrow::is_integer(right->id());
  if (integers && arrow::is_signed_integer(left->id()) == arrow::is_signed_integer(right->id())) {
    return BitsOf(*left) >= BitsOf(*right) ? left : right;
  }
  if (integers) {
    const bool left_signed = arrow::is_signed_integer(left->id());
    const arrow::DataType& unsigned_type = left_signed ? *right : *left;
    return BitsOf(unsigned_type) < 64 ? arrow::int64() : nullptr;
  }
  const auto is_number = [](const arrow::DataType& type) {
    return arrow::is_integer(type.id()) || type.id() == arrow::Type::FLOAT ||
           type.id() == arrow::Type::DOUBLE;
  };
  return is_number(*left) && is_number(*right) ? arrow::float64() : nullptr;
}

class UnionSource final : public Source, public FileSplits {
 public:
  struct Part {
    SourcePtr source;
    std::string label;
    std::vector<int> columns;  // per column of the union: the source's own, or kMissing
  };

  UnionSource(std::vector<Part> parts, SchemaPtr schema)
      : parts_(std::move(parts)), schema_(std::move(schema)) {}

  std::string name() const override {
    return fmt::format("{} and {} more by name", parts_.front().source->name(), parts_.size() - 1);
  }
  const SchemaPtr& schema() const override { return schema_; }

  std::optional<int64_t> row_count() const override {
    int64_t rows = 0;
    for (const Part& part : parts_) {
      const std::optional<int64_t> count = part.source->row_count();
      if (!count.has_value()) return std::nullopt;
      rows += *count;
    }
    return rows;
  }

  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    std::vector<Split> splits;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (!MayHold(parts_[i], request)) continue;
      ARROW_ASSIGN_OR_RAISE(std::vector<Split> own,
                            parts_[i].source->Splits(RequestOf(parts_[i], request)));
      for (Split& split : own) {
        split.index += static_cast<int64_t>(i) * kSplitsMax;
        splits.push_back(std::move(split));
      }
    }
    return splits;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    const Part& part = parts_[FileOf(split)];
    Split own = split;
    own.index = split.index % kSplitsMax;
    ARROW_ASSIGN_OR_RAISE(auto reader, part.source->Open(own, RequestOf(part, request), context));
    std::vector<Column> columns;
    for (const int at : request.projection) {
      Column column{nullptr, schema_->field(at)->type(), schema_->field(at)->name()};
      if (part.columns[static_cast<size_t>(at)] == kMissing) {
        ARROW_ASSIGN_OR_RAISE(
            column.nulls, arrow::MakeArrayOfNull(column.type, request.batch_rows, context.pool));
      }
      columns.push_back(std::move(column));
    }
    return std::make_unique<MappedReader>(
        std::move(reader),
        [columns = std::move(columns), label = part.label,
         pool = context.pool](Batch batch) -> Result<Batch> {
          std::vector<ArrayPtr> arrays;
          auto read = batch.columns().begin();
          for (const Column& column : columns) {
            if (column.nulls != nullptr) {
              arrays.push_back(column.nulls->Slice(0, batch.num_rows()));
              continue;
            }
            ARROW_ASSIGN_OR_RAISE(ArrayPtr array, Widened(*read++, column, label, pool));
            arrays.push_back(std::move(array));
          }
          return batch.WithColumns(std::move(arrays));
        });
  }

  size_t FileOf(const Split& split) const override {
    return static_cast<size_t>(split.index / kSplitsMax);
  }

  Result<std::string> Snapshot() override {
    std::string text;
    for (const Part& part : parts_) {
      ARROW_ASSIGN_OR_RAISE(const std::string one, part.source->Snapshot());
      text += one + "\n";
    }
    return fmt::format("{} sources {:016x}", parts_.size(), HashBytes(text));
  }

 private:
  struct Column {
    ArrayPtr nulls;  // when the part does not have it
    TypePtr type;
    std::string name;
  };

  static Result<ArrayPtr> Widened(const ArrayPtr& array, const Column& column,
                                  const std::string& label, arrow::MemoryPool* pool) {
    if (SameLogicalType(*array->type(), *column.type)) return array;
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(array, pool));
    arrow::compute::ExecContext context(pool);
    context.set_use_threads(false);
    const auto cast = arrow::compute::Cast(
        *plain, column.type, arrow::compute::CastOptions::Safe(column.type), &context);
    if (cast.ok() || cast.status().IsOutOfMemory()) return cast;
    return Error(ErrorKind::kTypeMismatch, "{}: column \"{}\" as {}: {}", label, column.name,
                 column.type->ToString(), cast.status().message());
  }

  /// A column that is missing is null in every row.
  bool MayHold(const Part& part, const ScanRequest& request) const {
    return std::all_of(request.bounds.begin(), request.bounds.end(), [&](const ColumnBound& bound) {
      return part.columns[static_cast<size_t>(bound.column)] != kMissing ||
             bound.op == BoundOp::kIsNull;
    });
  }

  ScanRequest RequestOf(const Part& part, const ScanRequest& request) const {
    ScanRequest own = request;
    own.projection.clear();
    own.bounds.clear();
    for (const int column : request.projection) {
      const int at = part.columns[static_cast<size_t>(column)];
      if (at != kMissing) own.projection.push_back(at);
    }
    for (ColumnBound bound : request.bounds) {
      const int at = part.columns[static_cast<size_t>(bound.column)];
      if (at == kMissing || !SameLogicalType(*part.source->schema()->field(at)->type(),
                                             *schema_->field(bound.column)->type())) {
        continue;
      }
      bound.column = at;
      own.bounds.push_back(std::move(bound));
    }
    return own;
  }

  const std::vector<Part> parts_;
  const SchemaPtr schema_;
};

}  // namespace

Result<SourcePtr> MakeUnionByName(std::vector<SourcePtr> sources, std::vector<std::string> labels) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<size_t> from;  // per field: the source that gave it its type
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < sources.size(); ++i) {
    for (const auto& field : sources[i]->schema()->fields()) {
      const auto [at, added] = index.emplace(field->name(), fields.size());
      if (added) {
        fields.push_back(field->WithNullable(true));
        from.push_back(i);
        continue;
      }
      auto& known = fields[at->second];
      const TypePtr wider = Wider(known->type(), field->type());
      if (wider == nullptr) {
        return Error(ErrorKind::kTypeMismatch, "{}: column \"{}\": expected {} as in {}, got {}",
                     labels[i], field->name(), known->type()->ToString(), labels[from[at->second]],
                     field->type()->ToString());
      }
      if (wider != known->type()) from[at->second] = i;
      known = known->WithType(wider);
    }
  }
  std::vector<UnionSource::Part> parts;
  for (size_t i = 0; i < sources.size(); ++i) {
    UnionSource::Part part{sources[i], std::move(labels[i]),
                           std::vector<int>(fields.size(), kMissing)};
    const auto& own = sources[i]->schema()->fields();
    for (size_t column = 0; column < own.size(); ++column) {
      part.columns[index.at(own[column]->name())] = static_cast<int>(column);
    }
    parts.push_back(std::move(part));
  }
  return std::make_shared<UnionSource>(std::move(parts), arrow::schema(std::move(fields)));
}

}  // namespace headrace
