// Merging dictionaries with Arrow's unifier; codes are rewritten here, null slots not looked at.
#include "headrace/format/arrow_ipc/dictionary_merger.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "arrow/array/array_dict.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/bit_util.h"
#include "headrace/types/encoding.h"

namespace headrace::arrow_ipc {
namespace {

using arrow::ArrayData;
using arrow::Type;

const arrow::DictionaryType& DictionaryTypeOf(const ArrayData& data) {
  return static_cast<const arrow::DictionaryType&>(*data.type);
}

bool HasDictionary(const arrow::DataType& type) {
  if (type.id() == Type::DICTIONARY) return true;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return HasDictionary(*field->type()); });
}

template <typename Code>
void RecodeAs(const ArrayData& data, const int32_t* new_codes, uint8_t* out) {
  const Code* codes = data.GetValues<Code>(1);
  Code* recoded = reinterpret_cast<Code*>(out);
  const uint8_t* validity = data.buffers[0] == nullptr ? nullptr : data.buffers[0]->data();
  for (int64_t i = 0; i < data.length; ++i) {
    const bool valid = validity == nullptr || arrow::bit_util::GetBit(validity, data.offset + i);
    recoded[i] = valid ? static_cast<Code>(new_codes[static_cast<uint64_t>(codes[i])]) : Code{0};
  }
}

void RecodeByWidth(const ArrayData& data, int bits, const int32_t* new_codes, uint8_t* out) {
  switch (bits) {
    case 8:
      return RecodeAs<uint8_t>(data, new_codes, out);
    case 16:
      return RecodeAs<uint16_t>(data, new_codes, out);
    case 32:
      return RecodeAs<uint32_t>(data, new_codes, out);
    default:
      return RecodeAs<uint64_t>(data, new_codes, out);
  }
}

}  // namespace

struct DictionaryMerger::Merged {
  std::unique_ptr<arrow::DictionaryUnifier> unifier;  // null: values that it does not take
  std::shared_ptr<arrow::Array> dictionary;           // of the batch before
  std::shared_ptr<ArrayData> input;                   // what new_codes translates
  std::shared_ptr<arrow::Buffer> new_codes;
};

DictionaryMerger::DictionaryMerger(arrow::MemoryPool* pool) : pool_(pool) {}
DictionaryMerger::~DictionaryMerger() = default;

Result<std::shared_ptr<arrow::RecordBatch>> DictionaryMerger::Merge(
    const arrow::RecordBatch& batch) {
  next_ = 0;
  arrow::ArrayVector columns = batch.columns();
  for (int i = 0; i < batch.num_columns(); ++i) {
    Result<DataPtr> merged = MergeNode(batch.column_data(i));
    if (!merged.ok()) {
      return WithContext(merged.status(), fmt::format("column \"{}\": ", batch.column_name(i)));
    }
    columns[static_cast<size_t>(i)] = arrow::MakeArray(*merged);
  }
  return arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), std::move(columns));
}

Result<DictionaryMerger::DataPtr> DictionaryMerger::MergeNode(const DataPtr& data) {
  if (data->type->id() == Type::DICTIONARY) return MergeDictionary(data);
  if (!HasDictionary(*data->type)) return data;
  DataPtr copy = data->Copy();
  for (DataPtr& child : copy->child_data) {
    ARROW_ASSIGN_OR_RAISE(child, MergeNode(child));
  }
  return copy;
}

Result<DictionaryMerger::DataPtr> DictionaryMerger::MergeDictionary(const DataPtr& data) {
  if (next_ == merged_.size()) {
    auto fresh = std::make_unique<Merged>();
    auto unifier = arrow::DictionaryUnifier::Make(DictionaryTypeOf(*data).value_type(), pool_);
    if (unifier.ok()) fresh->unifier = std::move(*unifier);
    merged_.push_back(std::move(fresh));
  }
  Merged& merged = *merged_[next_++];
  if (merged.unifier == nullptr) {
    const auto values = arrow::MakeArray(data->dictionary);
    if (merged.dictionary == nullptr) merged.dictionary = values;
    if (merged.dictionary->Equals(*values)) return data;
    return Error(ErrorKind::kUnsupported,
                 "an Arrow file cannot hold dictionaries of {} that differ from batch to batch",
                 DictionaryTypeOf(*data).value_type()->ToString());
  }
  if (data->dictionary->GetNullCount() == 0) return Recode(data, &merged);
  // The unifier takes no null values: encode the column again, with null codes for them.
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr plain, Decode(arrow::MakeArray(data), pool_));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr encoded, Encode(plain, data->type, pool_));
  return Recode(encoded->data(), &merged);
}

Result<DictionaryMerger::DataPtr> DictionaryMerger::Recode(const DataPtr& data, Merged* merged) {
  if (merged->input != data->dictionary) {
    ARROW_RETURN_NOT_OK(
        merged->unifier->Unify(*arrow::MakeArray(data->dictionary), &merged->new_codes));
    merged->input = data->dictionary;
    const int32_t* codes = merged->new_codes->data_as<int32_t>();
    const int64_t known = merged->dictionary == nullptr ? -1 : merged->dictionary->length();
    const auto is_new = [&](int32_t code) { return code >= known; };
    if (known < 0 || std::any_of(codes, codes + data->dictionary->length, is_new)) {
      const auto& index_type = DictionaryTypeOf(*data).index_type();
      if (!merged->unifier->GetResultWithIndexType(index_type, &merged->dictionary).ok()) {
        return Error(ErrorKind::kUnsupported,
                     "the dictionaries of all batches together have more values than {} can count",
                     index_type->ToString());
      }
    }
  }
  const int bits = DictionaryTypeOf(*data).bit_width();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> codes,
                        arrow::AllocateBuffer(data->length * bits / 8, pool_));
  RecodeByWidth(*data, bits, merged->new_codes->data_as<int32_t>(), codes->mutable_data());
  DataPtr recoded = data->Copy();
  recoded->buffers[1] = std::move(codes);
  if (recoded->buffers[0] != nullptr && data->offset != 0) {
    ARROW_ASSIGN_OR_RAISE(recoded->buffers[0], arrow::AllocateEmptyBitmap(data->length, pool_));
    for (int64_t i = 0; i < data->length; ++i) {
      arrow::bit_util::SetBitTo(
          recoded->buffers[0]->mutable_data(), i,
          arrow::bit_util::GetBit(data->buffers[0]->data(), data->offset + i));
    }
  }
  recoded->offset = 0;
  recoded->dictionary = merged->dictionary->data();
  return recoded;
}

}  // namespace headrace::arrow_ipc
