// Conversion from stored to promised types.
#include "headrace/format/parquet/stored_type.h"

#include <utility>

#include "arrow/array.h"
#include "arrow/compute/cast.h"
#include "arrow/compute/exec.h"
#include "arrow/datum.h"
#include "arrow/type.h"
#include "headrace/types/encoding.h"

namespace headrace::parquet_format {
namespace {

using arrow::Type;

bool IsDate(Type::type id) { return id == Type::DATE32 || id == Type::DATE64; }
bool IsTime(Type::type id) { return id == Type::TIME32 || id == Type::TIME64; }

/// Whether the plain types differ in units of dates and times only, at any depth.
bool DifferInUnits(const arrow::DataType& left, const arrow::DataType& right) {
  if (left.Equals(right)) return true;
  if (IsDate(left.id()) && IsDate(right.id())) return true;
  if (IsTime(left.id()) && IsTime(right.id())) return true;
  if (left.id() != right.id() || left.num_fields() != right.num_fields()) return false;
  if (left.id() == Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(left).timezone() ==
           static_cast<const arrow::TimestampType&>(right).timezone();
  }
  if (left.id() != Type::LIST && left.id() != Type::STRUCT) return false;
  for (int i = 0; i < left.num_fields(); ++i) {
    if (!DifferInUnits(*left.field(i)->type(), *right.field(i)->type())) return false;
  }
  return true;
}

std::shared_ptr<arrow::Field> ToldField(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(ToldType(field->type()));
}

}  // namespace

TypePtr ToldType(const TypePtr& type) {
  switch (type->id()) {
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(*type);
      const bool is_wide = dictionary.index_type()->byte_width() >= arrow::int32()->byte_width();
      return arrow::dictionary(is_wide ? dictionary.index_type() : arrow::int32(),
                               dictionary.value_type(), dictionary.ordered());
    }
    case Type::LIST:
      return arrow::list(ToldField(type->field(0)));
    case Type::LARGE_LIST:
      return arrow::large_list(ToldField(type->field(0)));
    case Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(
          ToldField(type->field(0)),
          static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    case Type::STRUCT: {
      arrow::FieldVector fields = type->fields();
      for (auto& field : fields) field = ToldField(field);
      return arrow::struct_(std::move(fields));
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(ToldField(map.key_field()),
                                              ToldField(map.item_field()), map.keys_sorted());
    }
    default:
      return type;
  }
}

TypePtr PromisedType(const TypePtr& stored, const TypePtr& origin) {
  if (SameLogicalType(*stored, *origin)) return origin;
  return DifferInUnits(*PlainType(stored), *PlainType(origin)) ? origin : stored;
}

Result<ArrayPtr> AsPromised(const ArrayPtr& array, const TypePtr& promised,
                            arrow::MemoryPool* pool) {
  if (SameLogicalType(*array->type(), *promised)) return array;
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(array, pool));
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum cast,
                        arrow::compute::Cast(plain, PlainType(promised),
                                             arrow::compute::CastOptions::Safe(), &context));
  return cast.make_array();
}

}  // namespace headrace::parquet_format
