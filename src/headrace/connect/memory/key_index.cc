// Keys are encoded into bytes that are equal exactly when the keys are; rows with the same hash
// form a chain in row order.
#include "headrace/connect/memory/key_index.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "arrow/array.h"
#include "arrow/extension_type.h"
#include "arrow/type.h"
#include "arrow/util/float16.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

using arrow::Array;
using arrow::Type;

template <typename Value>
void AppendRaw(Value value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename Float>
void AppendFloat(Float value, std::string* out) {
  if (std::isnan(value)) value = std::numeric_limits<Float>::quiet_NaN();
  AppendRaw(value == 0 ? Float{0} : value, out);
}

void AppendSized(std::string_view bytes, std::string* out) {
  AppendRaw(static_cast<uint64_t>(bytes.size()), out);
  out->append(bytes);
}

void AppendNullable(const Array& array, int64_t row, std::string* out);

void AppendItems(const Array& items, int64_t offset, int64_t length, std::string* out) {
  AppendRaw(length, out);
  for (int64_t i = 0; i < length; ++i) AppendNullable(items, offset + i, out);
}

void AppendFixedWidth(const Array& array, int64_t row, std::string* out) {
  const auto& type = static_cast<const arrow::FixedWidthType&>(*array.type());
  const auto width = static_cast<size_t>(type.bit_width() / 8);
  const auto* values = reinterpret_cast<const char*>(array.data()->buffers[1]->data());
  out->append(values + static_cast<size_t>(array.offset() + row) * width, width);
}

void AppendNested(const Array& array, int64_t row, std::string* out) {
  switch (array.type_id()) {
    case Type::LIST:
    case Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return AppendItems(*list.values(), list.value_offset(row), list.value_length(row), out);
    }
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return AppendItems(*list.values(), list.value_offset(row), list.value_length(row), out);
    }
    default:
      for (const auto& field : static_cast<const arrow::StructArray&>(array).fields()) {
        AppendNullable(*field, row, out);
      }
  }
}

// REQUIRES: the cell is not null.
void AppendCell(const Array& array, int64_t row, std::string* out) {
  switch (array.type_id()) {
    case Type::BOOL:
      return AppendRaw(static_cast<const arrow::BooleanArray&>(array).Value(row), out);
    case Type::HALF_FLOAT: {
      const uint16_t bits = static_cast<const arrow::HalfFloatArray&>(array).Value(row);
      return AppendFloat(arrow::util::Float16::FromBits(bits).ToFloat(), out);
    }
    case Type::FLOAT:
      return AppendFloat(static_cast<const arrow::FloatArray&>(array).Value(row), out);
    case Type::DOUBLE:
      return AppendFloat(static_cast<const arrow::DoubleArray&>(array).Value(row), out);
    case Type::STRING:
    case Type::BINARY:
      return AppendSized(static_cast<const arrow::BinaryArray&>(array).GetView(row), out);
    case Type::LIST:
    case Type::MAP:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT:
      return AppendNested(array, row, out);
    case Type::EXTENSION:
      return AppendCell(*static_cast<const arrow::ExtensionArray&>(array).storage(), row, out);
    default:
      return AppendFixedWidth(array, row, out);
  }
}

void AppendNullable(const Array& array, int64_t row, std::string* out) {
  const bool valid = array.IsValid(row);
  *out += valid ? '\1' : '\0';
  if (valid) AppendCell(array, row, out);
}

// False when a part of the key is null.
bool EncodeKey(std::span<const ArrayPtr> keys, int64_t row, std::string* out) {
  out->clear();
  for (const ArrayPtr& key : keys) {
    if (key->IsNull(row)) return false;
    AppendCell(*key, row, out);
  }
  return true;
}

bool CanBeKey(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::EXTENSION:
      return CanBeKey(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case Type::NA:
    case Type::STRING:
    case Type::BINARY:
      return true;
    case Type::LIST:
    case Type::MAP:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT:
      for (const auto& field : type.fields()) {
        if (!CanBeKey(*field->type())) return false;
      }
      return true;
    default:
      return arrow::is_fixed_width(type.id()) && type.id() != Type::DICTIONARY;
  }
}

}  // namespace

struct KeyIndex::Rows {
  struct MixedHash {
    using is_avalanching = void;
    size_t operator()(uint64_t hash) const { return hash; }
  };
  struct Chain {
    int64_t first;
    int64_t last;
  };

  std::string_view KeyOf(int64_t row) const {
    const auto i = static_cast<size_t>(row);
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }

  // The first row from `row` on along its chain whose key is `key`.
  int64_t Next(int64_t row, std::string_view key) const {
    while (row != kNone && KeyOf(row) != key) row = next[static_cast<size_t>(row)];
    return row;
  }

  int64_t Find(uint64_t hash, std::string_view key) const {
    const auto it = chains.find(hash);
    return it == chains.end() ? kNone : Next(it->second.first, key);
  }

  int64_t Append(std::string_view key) {
    bytes.append(key);
    ends.push_back(bytes.size());
    next.push_back(kNone);
    return static_cast<int64_t>(next.size()) - 1;
  }

  void Link(uint64_t hash, int64_t row) {
    const auto [it, is_new] = chains.try_emplace(hash, Chain{row, row});
    if (is_new) return;
    next[static_cast<size_t>(it->second.last)] = row;
    it->second.last = row;
  }

  std::string bytes;         // the keys of all rows, one after another
  std::vector<size_t> ends;  // of each row's key in `bytes`
  std::vector<int64_t> next;
  boost::unordered_flat_map<uint64_t, Chain, MixedHash> chains;
  std::string scratch;
};

KeyIndex::KeyIndex(std::vector<TypePtr> types)
    : types_(std::move(types)), rows_(std::make_unique<Rows>()) {}

KeyIndex::~KeyIndex() = default;

Result<std::unique_ptr<KeyIndex>> KeyIndex::Make(std::vector<TypePtr> types) {
  for (const TypePtr& type : types) {
    if (CanBeKey(*type)) continue;
    return Error(ErrorKind::kTypeMismatch, "values of type {} cannot be keys", type->ToString());
  }
  return std::unique_ptr<KeyIndex>(new KeyIndex(std::move(types)));
}

int64_t KeyIndex::num_rows() const { return static_cast<int64_t>(rows_->next.size()); }

Status KeyIndex::CheckTypes(std::span<const ArrayPtr> keys) const {
  if (keys.size() != types_.size()) {
    return Error(ErrorKind::kTypeMismatch, "expected {} key columns, got {}", types_.size(),
                 keys.size());
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i]->type()->Equals(*types_[i])) continue;
    return Error(ErrorKind::kTypeMismatch, "expected keys of type {}, got {}",
                 types_[i]->ToString(), keys[i]->type()->ToString());
  }
  return Status::OK();
}

Status KeyIndex::Add(std::span<const ArrayPtr> keys) {
  ARROW_RETURN_NOT_OK(CheckTypes(keys));
  const int64_t length = keys.empty() ? 0 : keys[0]->length();
  for (int64_t i = 0; i < length; ++i) {
    const bool valid = EncodeKey(keys, i, &rows_->scratch);
    const int64_t row = rows_->Append(valid ? rows_->scratch : std::string_view());
    if (valid) rows_->Link(HashBytes(rows_->scratch), row);
  }
  return Status::OK();
}

void KeyIndex::Probe(std::span<const ArrayPtr> keys, LookupMatches* matches) const {
  const int64_t length = keys.empty() ? 0 : keys[0]->length();
  std::string key;
  for (int64_t i = 0; i < length; ++i) {
    if (!EncodeKey(keys, i, &key)) continue;
    int64_t row = rows_->Find(HashBytes(key), key);
    while (row != kNone) {
      matches->probe_rows.push_back(static_cast<uint32_t>(i));
      matches->row_ids.push_back(row);
      row = rows_->Next(rows_->next[static_cast<size_t>(row)], key);
    }
  }
}

}  // namespace headrace
