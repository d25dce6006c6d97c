// Counts per record and scan, and their part of a checkpoint.
#include "headrace/engine/written_letters.h"

#include <algorithm>

#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"

namespace headrace {
namespace {

constexpr const char* kPart = "dead-letters";
constexpr int kGivenUp = -1;  // the scan of all that are not there any more

const SchemaPtr& PartSchema() {
  static const SchemaPtr schema =
      arrow::schema({arrow::field("record", arrow::uint64()), arrow::field("scan", arrow::int32()),
                     arrow::field("letters", arrow::int64())});
  return schema;
}

}  // namespace

WrittenLetters::Count& WrittenLetters::CountOf(uint64_t record, size_t query, int scan) {
  const auto [entry, is_new] = records_.try_emplace(record);
  if (is_new) order_.push_back(record);
  std::vector<Count>& counts = entry->second;
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const Count& count) {
    return count.query == query && count.scan == scan;
  });
  return found == counts.end() ? counts.emplace_back(Count{query, scan, 0}) : *found;
}

bool WrittenLetters::Note(size_t query, const DeadLetter& letter) {
  if (letter.record == 0) return true;
  parts_[query].is_saved = false;
  const int64_t letters = ++CountOf(letter.record, query, letter.scan).letters;
  const std::vector<Count>& counts = records_.at(letter.record);
  const bool is_new = std::none_of(counts.begin(), counts.end(), [&](const Count& count) {
    return (count.query != query || count.scan != letter.scan) && count.letters >= letters;
  });
  if (order_.size() > records_max_) {
    records_.erase(order_.front());
    order_.pop_front();
  }
  return is_new;
}

Status WrittenLetters::Save(size_t query, CheckpointWriter& writer) {
  SavedPart& part = parts_[query];
  if (part.is_saved) {
    writer.KeepPart(kPart, part.places);
    return Status::OK();
  }
  arrow::UInt64Builder records;
  arrow::Int32Builder scans;
  arrow::Int64Builder letters;
  for (const uint64_t record : order_) {
    for (const Count& count : records_.at(record)) {
      if (count.query != query && count.scan != kGivenUp) continue;
      ARROW_RETURN_NOT_OK(records.Append(record));
      ARROW_RETURN_NOT_OK(scans.Append(count.scan));
      ARROW_RETURN_NOT_OK(letters.Append(count.letters));
    }
  }
  arrow::ArrayVector columns(3);
  ARROW_RETURN_NOT_OK(records.Finish(&columns[0]));
  ARROW_RETURN_NOT_OK(scans.Finish(&columns[1]));
  ARROW_RETURN_NOT_OK(letters.Finish(&columns[2]));
  ARROW_ASSIGN_OR_RAISE(StateWriter * state, writer.BeginPart(kPart));
  const int64_t rows = columns[0]->length();
  if (rows > 0) {
    ARROW_RETURN_NOT_OK(
        state->Write(0, *arrow::RecordBatch::Make(PartSchema(), rows, std::move(columns))));
  }
  part = {true, writer.EndPart()};
  return Status::OK();
}

template <typename Take>
Status WrittenLetters::ReadPart(const QueryCheckpoint& saved, arrow::MemoryPool* pool,
                                const Take& take) {
  const auto part = saved.OpenPart(kPart, pool);
  if (!part.ok() && KindOf(part.status()) == ErrorKind::kNotFound) return Status::OK();
  ARROW_RETURN_NOT_OK(part.status());
  for (const StateSection& section : (*part)->sections()) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, (*part)->Read(section));
    if (!batch->schema()->Equals(*PartSchema())) {
      return Error(ErrorKind::kBadData, "the saved part {} of a job is damaged: it has columns {}",
                   kPart, batch->schema()->ToString());
    }
    const auto& records = static_cast<const arrow::UInt64Array&>(*batch->column(0));
    const auto& scans = static_cast<const arrow::Int32Array&>(*batch->column(1));
    const auto& letters = static_cast<const arrow::Int64Array&>(*batch->column(2));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      take(records.Value(row), scans.Value(row), letters.Value(row));
    }
  }
  return Status::OK();
}

void WrittenLetters::AddGivenUp(uint64_t record, int64_t letters) {
  Count& count = CountOf(record, parts_.size(), kGivenUp);
  count.letters = std::max(count.letters, letters);
}

Status WrittenLetters::Restore(size_t query, const QueryCheckpoint& saved,
                               arrow::MemoryPool* pool) {
  return ReadPart(saved, pool, [&](uint64_t record, int scan, int64_t letters) {
    if (scan == kGivenUp) return AddGivenUp(record, letters);
    CountOf(record, query, scan).letters = letters;
  });
}

Status WrittenLetters::RestoreGivenUp(const QueryCheckpoint& saved, arrow::MemoryPool* pool) {
  return ReadPart(saved, pool,
                  [&](uint64_t record, int, int64_t letters) { AddGivenUp(record, letters); });
}

}  // namespace headrace
