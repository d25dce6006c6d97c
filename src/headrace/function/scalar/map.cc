// Maps and structs: making them, and reaching into them.
#include <algorithm>
#include <numeric>

#include "arrow/array/array_nested.h"
#include "arrow/array/builder_base.h"
#include "arrow/array/concatenate.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "headrace/function/choice.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"
#include "headrace/function/scalar/json_parts.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/scalar/subscript.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Keys that are all null, so that there is no map, count as text.
Result<TypePtr> MapType(std::span<const TypePtr> args) {
  TypePtr key = args[0]->field(0)->type();
  if (key->id() == arrow::Type::NA) key = arrow::utf8();
  if (IsComparable(*key)) return arrow::map(key, args[1]->field(0)->type());
  return Error(ErrorKind::kTypeMismatch, "the keys of a map need an order, got {}",
               SqlNameOf(*args[0]));
}

/// Row r has the keys from begins[r] on.
Status CheckUnique(const ArrayPtr& keys, std::span<const int32_t> begins) {
  const Argument argument{keys, false};
  std::vector<int64_t> places;
  Status status;
  VisitOrdered(keys->type_id(), [&](auto tag) {
    using Value = typename decltype(tag)::Value;
    const typename decltype(tag)::Column column(argument);
    const auto less = [&](int64_t a, int64_t b) {
      return ValueLess(Value(column[a]), Value(column[b]));
    };
    for (size_t row = 0; row < begins.size() && status.ok(); ++row) {
      const int64_t end = row + 1 < begins.size() ? begins[row + 1] : keys->length();
      places.resize(static_cast<size_t>(end - begins[row]));
      std::iota(places.begin(), places.end(), begins[row]);
      std::sort(places.begin(), places.end(), less);
      const auto twice = std::adjacent_find(places.begin(), places.end(),
                                            [&](int64_t a, int64_t b) { return !less(a, b); });
      if (twice == places.end()) continue;
      status = Error(ErrorKind::kInvalidArgument, "a key stands twice in a map: {}",
                     FormatValue(*keys, *twice));
    }
  });
  return status;
}

Result<ArrayPtr> MakeMap(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn keys(args[0]);
  const ListColumn values(args[1]);
  const Validity key_valid(args[0]);
  const Validity value_valid(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(rows.length + 1, ctx.pool));
  std::vector<int64_t> key_places;
  std::vector<int64_t> value_places;
  const Validity item_valid(*keys.values());
  offsets.data()[0] = 0;
  Status status;
  const auto add_row = [&](int64_t row) -> Status {
    if (!key_valid[row] || !value_valid[row]) return Status::OK();
    if (keys.Length(row) != values.Length(row)) {
      return Error(ErrorKind::kInvalidArgument,
                   "map expected as many keys as values, got {} and {}", keys.Length(row),
                   values.Length(row));
    }
    for (int64_t i = 0; i < keys.Length(row); ++i) {
      if (!item_valid[keys.Begin(row) + i]) {
        return Error(ErrorKind::kInvalidArgument, "the key of a map is null in row {}", row);
      }
      key_places.push_back(keys.Begin(row) + i);
      value_places.push_back(values.Begin(row) + i);
    }
    return Status::OK();
  };
  int64_t next = 0;
  const auto end_rows = [&](int64_t end) {
    for (; next < end; ++next) offsets.data()[next + 1] = static_cast<int32_t>(key_places.size());
  };
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    end_rows(row);
    ARROW_RETURN_NOT_OK(add_row(row));
    end_rows(row + 1);
    return Status::OK();
  }));
  end_rows(rows.length);
  ARROW_ASSIGN_OR_RAISE(ArrayPtr key_items, TakeItems(*keys.values(), key_places, ctx.pool));
  ARROW_RETURN_NOT_OK(CheckUnique(key_items, {offsets.data(), static_cast<size_t>(rows.length)}));
  if (key_items->type_id() == arrow::Type::NA) {
    ARROW_ASSIGN_OR_RAISE(key_items, MakeNulls(arrow::utf8(), 0, ctx.pool));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr value_items,
                        TakeItems(*values.values(), value_places, ctx.pool));
  return std::make_shared<arrow::MapArray>(ctx.result_type, rows.length, offsets.FinishBuffer(),
                                           key_items, value_items);
}

/// A column as lists of one item.
Result<Argument> InLists(KernelContext& ctx, const Argument& arg) {
  const int64_t length = arg.array->length();
  std::vector<int32_t> ends(static_cast<size_t>(length));
  std::iota(ends.begin(), ends.end(), 1);
  KernelContext list_ctx{ctx.pool, arrow::list(arg.array->type())};
  ARROW_ASSIGN_OR_RAISE(ArrayPtr lists, MakeLists(list_ctx, ends, arg.array));
  return Argument{std::move(lists), arg.is_constant};
}

Result<ArrayPtr> MakePair(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(Argument keys, InLists(ctx, args[0]));
  ARROW_ASSIGN_OR_RAISE(Argument values, InLists(ctx, args[1]));
  const Argument lists[] = {std::move(keys), std::move(values)};
  return MakeMap(ctx, lists, rows);
}

Result<TypePtr> PairType(std::span<const TypePtr> args) {
  const TypePtr lists[] = {arrow::list(args[0]), arrow::list(args[1])};
  return MapType(lists);
}

const arrow::MapArray& MapOf(const Argument& arg) {
  return static_cast<const arrow::MapArray&>(*arg.array);
}

/// Where the entries of each row stand, and how many there are up to the end of each row.
struct EntryPlaces {
  std::vector<int64_t> places;
  std::vector<int32_t> ends;
};

EntryPlaces EntriesOf(const Argument& arg, const Rows& rows) {
  const ListColumn entries(arg);
  const Validity valid(arg);
  EntryPlaces found;
  for (int64_t row = 0; row < rows.length; ++row) {
    for (int64_t place = entries.Begin(row); valid[row] && place < entries.End(row); ++place) {
      found.places.push_back(place);
    }
    found.ends.push_back(static_cast<int32_t>(found.places.size()));
  }
  return found;
}

template <bool kKeys>
Result<ArrayPtr> Part(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const arrow::MapArray& map = MapOf(args[0]);
  const auto [places, ends] = EntriesOf(args[0], rows);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items,
                        TakeItems(kKeys ? *map.keys() : *map.items(), places, ctx.pool));
  return MakeLists(ctx, ends, items);
}

template <bool kKeys>
Result<TypePtr> PartType(std::span<const TypePtr> args) {
  const auto& type = static_cast<const arrow::MapType&>(*args[0]);
  return arrow::list(kKeys ? type.key_type() : type.item_type());
}

/// The place of the last entry with the key of each row; kNoItem without one.
std::vector<int64_t> FindKeys(std::span<const Argument> args, const Rows& rows) {
  const ListColumn entries(args[0]);
  const Validity valid(args[0]);
  const Validity wanted_valid(args[1]);
  const ArrayPtr keys = MapOf(args[0]).keys();
  std::vector<int64_t> places(static_cast<size_t>(rows.length), kNoItem);
  VisitOrdered(keys->type_id(), [&](auto tag) {
    using Tag = decltype(tag);
    const Argument key_argument{keys, false};
    const typename Tag::Column column(key_argument);
    const typename Tag::Column wanted(args[1]);
    for (int64_t row = 0; row < rows.length; ++row) {
      if (!valid[row] || !wanted_valid[row]) continue;
      for (int64_t place = entries.Begin(row); place < entries.End(row); ++place) {
        const bool equal =
            ValueEquals(typename Tag::Value(column[place]), typename Tag::Value(wanted[row]));
        if (equal) places[static_cast<size_t>(row)] = place;
      }
    }
  });
  return places;
}

Result<ArrayPtr> Contains(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const std::vector<int64_t> places = FindKeys(args, rows);
  return RunRowTest(ctx, rows,
                    [&](int64_t row) { return places[static_cast<size_t>(row)] != kNoItem; });
}

/// A list of the key's value, empty without one.
Result<ArrayPtr> ValuesOfKey(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<int64_t> places;
  std::vector<int32_t> ends;
  for (const int64_t place : FindKeys(args, rows)) {
    if (place != kNoItem) places.push_back(place);
    ends.push_back(static_cast<int32_t>(places.size()));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(*MapOf(args[0]).items(), places, ctx.pool));
  return MakeLists(ctx, ends, items);
}

Result<TypePtr> ValuesOfKeyType(std::span<const TypePtr> args) {
  return arrow::list(static_cast<const arrow::MapType&>(*args[0]).item_type());
}

/// The entries of a map as a list of structs of key and value.
Result<ArrayPtr> Entries(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const auto [places, ends] = EntriesOf(args[0], rows);
  const arrow::MapArray& map = MapOf(args[0]);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr keys, TakeItems(*map.keys(), places, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(*map.items(), places, ctx.pool));
  const auto structs = std::make_shared<arrow::StructArray>(
      ctx.result_type->field(0)->type(), keys->length(), arrow::ArrayVector{keys, items});
  return MakeLists(ctx, ends, structs);
}

Result<TypePtr> EntriesType(std::span<const TypePtr> args) {
  const auto& type = static_cast<const arrow::MapType&>(*args[0]);
  return arrow::list(arrow::struct_(
      {arrow::field("key", type.key_type()), arrow::field("value", type.item_type())}));
}

/// A map of a list of structs of two fields.
Result<ArrayPtr> FromEntries(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const auto& list = static_cast<const arrow::ListArray&>(*args[0].array);
  const auto& structs = static_cast<const arrow::StructArray&>(*list.values());
  const auto side = [&](int field) -> Argument {
    return {std::make_shared<arrow::ListArray>(arrow::list(structs.type()->field(field)->type()),
                                               list.length(), list.value_offsets(),
                                               structs.field(field), list.null_bitmap(),
                                               arrow::kUnknownNullCount, list.offset()),
            args[0].is_constant};
  };
  const Argument sides[] = {side(0), side(1)};
  return MakeMap(ctx, sides, rows);
}

Result<TypePtr> FromEntriesType(std::span<const TypePtr> args) {
  const TypePtr& entry = args[0]->field(0)->type();
  const bool fits = entry->id() == arrow::Type::STRUCT && entry->num_fields() == 2 &&
                    IsComparable(*entry->field(0)->type());
  if (fits) return arrow::map(entry->field(0)->type(), entry->field(1)->type());
  return Error(ErrorKind::kTypeMismatch, "expected a list of structs of key and value, got {}",
               SqlNameOf(*args[0]));
}

/// The entries of all maps; of a key that several have, that of the last. Null maps have none.
Result<ArrayPtr> ConcatMaps(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  arrow::ArrayVector keys;
  arrow::ArrayVector items;
  std::vector<ListColumn> entries;
  std::vector<Validity> valid;
  std::vector<int64_t> begins;
  int64_t total = 0;
  for (const Argument& arg : args) {
    keys.push_back(MapOf(arg).keys());
    items.push_back(MapOf(arg).items());
    entries.emplace_back(arg);
    valid.emplace_back(arg);
    begins.push_back(total);
    total += keys.back()->length();
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all_keys, arrow::Concatenate(keys, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all_items, arrow::Concatenate(items, ctx.pool));
  std::vector<int64_t> key_places;
  std::vector<int64_t> item_places;
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(rows.length + 1, ctx.pool));
  offsets.data()[0] = 0;
  VisitOrdered(all_keys->type_id(), [&](auto tag) {
    using Value = typename decltype(tag)::Value;
    const Argument key_argument{all_keys, false};
    const typename decltype(tag)::Column column(key_argument);
    for (int64_t row = 0; row < rows.length; ++row) {
      const size_t first = key_places.size();
      for (size_t i = 0; i < args.size(); ++i) {
        if (!valid[i][row]) continue;
        for (int64_t place = entries[i].Begin(row); place < entries[i].End(row); ++place) {
          const int64_t here = begins[i] + place;
          size_t known = first;
          while (known < key_places.size() &&
                 !ValueEquals(Value(column[key_places[known]]), Value(column[here]))) {
            ++known;
          }
          if (known == key_places.size()) {
            key_places.push_back(here);
            item_places.push_back(here);
          }
          item_places[known] = here;
        }
      }
      offsets.data()[row + 1] = static_cast<int32_t>(key_places.size());
    }
  });
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr some_keys, TakeItems(*all_keys, key_places, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr some_items, TakeItems(*all_items, item_places, ctx.pool));
  return std::make_shared<arrow::MapArray>(ctx.result_type, rows.length, offsets.FinishBuffer(),
                                           some_keys, some_items);
}

Result<TypePtr> ConcatMapsType(std::span<const TypePtr> args) {
  if (args[0]->id() == arrow::Type::MAP) return args[0];
  return Error(ErrorKind::kTypeMismatch, "map_concat takes maps, got {}", SqlNameOf(*args[0]));
}

Result<TypePtr> NamedStructType(std::span<const TypePtr> args,
                                std::span<const ScalarPtr> literals) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < args.size(); i += 2) {
    if (literals[i] == nullptr || !literals[i]->is_valid) {
      return Error(ErrorKind::kTypeMismatch, "the names of a struct are constant texts");
    }
    fields.push_back(arrow::field(literals[i]->ToString(), args[i + 1]));
  }
  return arrow::struct_(std::move(fields));
}

Result<ArrayPtr> NamedStruct(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  arrow::ArrayVector children;
  const std::vector<int64_t> first(static_cast<size_t>(rows.length), 0);
  for (size_t i = 1; i < args.size(); i += 2) {
    if (args[i].is_constant) {
      ARROW_ASSIGN_OR_RAISE(children.emplace_back(), TakeItems(*args[i].array, first, ctx.pool));
    } else {
      children.push_back(args[i].array);
    }
  }
  return std::make_shared<arrow::StructArray>(ctx.result_type, rows.length, std::move(children));
}

Result<int> FieldOf(const arrow::DataType& type, const std::string& name) {
  const int index = static_cast<const arrow::StructType&>(type).GetFieldIndex(name);
  if (index >= 0) return index;
  return Error(ErrorKind::kUnknownName, "{} has no field \"{}\"", SqlNameOf(type), name);
}

constexpr Overload kMapForm[] = {
    {.args = kArgs<kList, kList>, .result = MapType, .scalar = MakeMap},
    {.args = kArgs<kString, kAny>, .result = PairType, .scalar = MakePair},
    {.args = kArgs<kInt64, kAny>, .result = PairType, .scalar = MakePair},
};
template <bool kKeys>
constexpr Overload kPartForm[] = {
    {.args = kArgs<kMap>, .result = PartType<kKeys>, .scalar = Part<kKeys>},
    {.args = kArgs<kString>, .result = ListOfStringType, .scalar = kKeys ? JsonKeys : JsonValues},
};
constexpr Overload kLookupForm[] = {
    {.args = kArgs<kMap, kItem>, .result = ItemType, .scalar = MapValueOf},
};
constexpr Overload kContainsForm[] = {
    {.args = kArgs<kMap, kItem>, .result = BooleanType, .scalar = Contains},
};
constexpr Overload kElementForm[] = {
    {.args = kArgs<kMap, kItem>, .result = ValuesOfKeyType, .scalar = ValuesOfKey},
};
constexpr Overload kEntriesForm[] = {
    {.args = kArgs<kMap>, .result = EntriesType, .scalar = Entries},
};
constexpr Overload kFromEntriesForm[] = {
    {.args = kArgs<kList>, .result = FromEntriesType, .scalar = FromEntries},
};
constexpr Overload kConcatMapsForm[] = {
    {.args = kArgs<kCommon, kCommon>,
     .result = ConcatMapsType,
     .scalar = ConcatMaps,
     .variadic = true},
};
constexpr Overload kNamedStructForm[] = {
    {.args = kArgs<kString, kAny>,
     .scalar = NamedStruct,
     .leading_group = 2,
     .result_of_literals = NamedStructType},
};
constexpr Overload kFieldForm[] = {
    {.args = kArgs<kStruct, kString>,
     .scalar = StructFieldOf,
     .result_of_literals = StructFieldType},
};

constexpr Example kMapExamples[] = {
    {"map(list_value('a', 'b'), list_value(1, NULL))", "{'a': 1, 'b': NULL}"},
    {"map('a', 1)", "{'a': 1}"},
    {"map(NULL, list_value(1))", "NULL"}};
constexpr Example kMapKeysExamples[] = {
    {"map_keys(map(list_value('a', 'b'), list_value(1, NULL)))", "['a', 'b']"},
    {R"(map_keys('{"a": 1}'))", "['a']"},
    {"map_keys(NULL)", "NULL"}};
constexpr Example kMapValuesExamples[] = {
    {"map_values(map(list_value('a', 'b'), list_value(1, NULL)))", "[1, NULL]"},
    {R"(map_values('{"a": "x", "b": [1]}'))", "['x', '[1]']"},
    {"map_values(NULL)", "NULL"}};
constexpr Example kMapExtractExamples[] = {
    {"map_extract_value(map(list_value('a', 'b'), list_value(1, NULL)), 'a')", "1"},
    {"map_extract_value(map(list_value('a', 'b'), list_value(1, NULL)), 'c')", "NULL"}};
constexpr Example kMapContainsExamples[] = {
    {"map_contains(map(list_value('a'), list_value(NULL)), 'a')", "true"},
    {"map_contains(map(list_value('a'), list_value(1)), 'b')", "false"},
    {"map_contains(NULL, 'a')", "NULL"}};
constexpr Example kElementAtExamples[] = {
    {"element_at(map(list_value('a', 'b'), list_value(1, NULL)), 'a')", "[1]"},
    {"element_at(map(list_value('a'), list_value(1)), 'c')", "[]"},
    {"element_at(NULL, 'a')", "NULL"}};
constexpr Example kMapEntriesExamples[] = {
    {"map_entries(map(list_value('a', 'b'), list_value(1, NULL)))",
     "[{'key': 'a', 'value': 1}, {'key': 'b', 'value': NULL}]"},
    {"map_entries(NULL)", "NULL"}};
constexpr Example kMapFromEntriesExamples[] = {
    {"map_from_entries(list_value(named_struct('k', 'a', 'v', 1)))", "{'a': 1}"},
    {"map_from_entries(map_entries(map(list_value('a'), list_value(NULL))))", "{'a': NULL}"}};
constexpr Example kMapConcatExamples[] = {
    {"map_concat(map(list_value('a', 'b'), list_value(1, 2)), map(list_value('b'), "
     "list_value(3)))",
     "{'a': 1, 'b': 3}"},
    {"map_concat(map(list_value('a'), list_value(1)), NULL)", "{'a': 1}"}};
constexpr Example kNamedStructExamples[] = {
    {"named_struct('a', 1, 'b', NULL)", "{'a': 1, 'b': NULL}"},
    {"struct_extract(named_struct('a', 'x'), 'a')", "x"}};
constexpr Example kStructExtractExamples[] = {
    {"struct_extract(named_struct('a', 1), 'a')", "1"},
    {"struct_extract(named_struct('a', NULL), 'a')", "NULL"}};

}  // namespace

Result<ArrayPtr> MapValueOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return TakeItems(*MapOf(args[0]).items(), FindKeys(args, rows), ctx.pool);
}

Result<TypePtr> StructFieldType(std::span<const TypePtr> args,
                                std::span<const ScalarPtr> literals) {
  if (literals[1] == nullptr || !literals[1]->is_valid) {
    return Error(ErrorKind::kTypeMismatch, "the name of a field is a constant text");
  }
  ARROW_ASSIGN_OR_RAISE(const int index, FieldOf(*args[0], literals[1]->ToString()));
  return args[0]->field(index)->type();
}

Result<ArrayPtr> StructFieldOf(KernelContext& ctx, std::span<const Argument> args,
                               const Rows& rows) {
  const auto& array = static_cast<const arrow::StructArray&>(*args[0].array);
  if (rows.length == 0 || args[1].array->length() == 0) {
    return MakeNulls(ctx.result_type, rows.length, ctx.pool);
  }
  ARROW_ASSIGN_OR_RAISE(const int index,
                        FieldOf(*array.type(), std::string(BytesView(args[1])[0])));
  const Argument field{array.field(index), args[0].is_constant};
  const std::vector<uint32_t> choice(static_cast<size_t>(rows.length), 0);
  return ChooseRows(ctx, {&field, 1}, choice);
}

HEADRACE_DEFINE_FUNCTION(kMap) = {
    .id = "map",
    .names = {.sql = "map"},
    .overloads = kMapForm,
    .arguments = "keys, values",
    .doc =
        "A map of a list of keys to a list of values, as many; in SQL also of keys and values in "
        "turns.",
    .examples = kMapExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapKeys) = {
    .id = "map_keys",
    .names = {.sql = "map_keys"},
    .overloads = kPartForm<true>,
    .arguments = "x",
    .doc = "A list of the keys of a map, or of the object in JSON text.",
    .examples = kMapKeysExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapValues) = {
    .id = "map_values",
    .names = {.sql = "map_values"},
    .overloads = kPartForm<false>,
    .arguments = "x",
    .doc = "A list of the values of a map, or as text of those of the object in JSON text.",
    .examples = kMapValuesExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapExtract) = {
    .id = "map_extract_value",
    .names = {.sql = "map_extract_value|map_get"},
    .overloads = kLookupForm,
    .arguments = "x, key",
    .doc = "The value of a key in a map; null when there is none.",
    .examples = kMapExtractExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapContains) = {
    .id = "map_contains",
    .names = {.sql = "map_contains"},
    .overloads = kContainsForm,
    .arguments = "x, key",
    .doc = "Whether a map has a key.",
    .examples = kMapContainsExamples,
};

HEADRACE_DEFINE_FUNCTION(kElementAt) = {
    .id = "element_at",
    .names = {.sql = "element_at|map_extract"},
    .overloads = kElementForm,
    .arguments = "x, key",
    .doc = "A list of the value of a key in a map; empty when there is none.",
    .examples = kElementAtExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapEntries) = {
    .id = "map_entries",
    .names = {.sql = "map_entries"},
    .overloads = kEntriesForm,
    .arguments = "x",
    .doc = "A list of the entries of a map as structs of key and value.",
    .examples = kMapEntriesExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapFromEntries) = {
    .id = "map_from_entries",
    .names = {.sql = "map_from_entries"},
    .overloads = kFromEntriesForm,
    .arguments = "x",
    .doc = "A map of a list of structs of key and value.",
    .examples = kMapFromEntriesExamples,
};

HEADRACE_DEFINE_FUNCTION(kMapConcat) = {
    .id = "map_concat",
    .names = {.sql = "map_concat"},
    .overloads = kConcatMapsForm,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc =
        "A map of the entries of several, null ones left out; of a key that several have the last "
        "value.",
    .examples = kMapConcatExamples,
};

HEADRACE_DEFINE_FUNCTION(kNamedStruct) = {
    .id = "named_struct",
    .names = {.sql = "named_struct"},
    .overloads = kNamedStructForm,
    .nulls = NullRule::kKernel,
    .arguments = "name, value, ...",
    .doc = "A struct of names, which are constant, and values.",
    .examples = kNamedStructExamples,
};

HEADRACE_DEFINE_FUNCTION(kStructExtract) = {
    .id = "struct_extract",
    .names = {.sql = "struct_extract"},
    .overloads = kFieldForm,
    .arguments = "x, name",
    .doc = "A field of a struct by its constant name.",
    .examples = kStructExtractExamples,
};

}  // namespace headrace
