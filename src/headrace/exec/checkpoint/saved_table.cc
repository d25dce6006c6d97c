// A file of a table: deleted keys, rows, and one row of figures, each under a key group of its own.
#include "headrace/exec/checkpoint/saved_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"

namespace headrace {
namespace {

enum Group : int { kRows = 0, kDeleted = 1, kFigures = 2 };
constexpr std::array kFigureNames = {"since", "changes", "rows"};

Status WriteBatches(SplitReader& reader, Group group, const SchemaPtr& schema, StateWriter& file) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(ReadResult result, reader.Next());
    const auto* batch = std::get_if<Batch>(&result);
    if (batch == nullptr) return Status::OK();
    ARROW_RETURN_NOT_OK(file.Write(group, *batch->ToRecordBatch(schema)));
  }
}

Status WriteFigures(const TableCut& cut, StateWriter& file) {
  arrow::FieldVector fields;
  std::vector<ArrayPtr> columns;
  const std::array figures = {cut.since, cut.changes, cut.num_rows};
  for (size_t i = 0; i < figures.size(); ++i) {
    fields.push_back(arrow::field(kFigureNames[i], arrow::int64()));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          arrow::MakeArrayFromScalar(arrow::Int64Scalar(figures[i]), 1));
  }
  const auto schema = arrow::schema(std::move(fields));
  return file.Write(kFigures, *arrow::RecordBatch::Make(schema, 1, std::move(columns)));
}

SchemaPtr KeySchema(const KeyedTable& table) {
  arrow::FieldVector fields;
  for (const int column : table.key()) fields.push_back(table.schema()->field(column));
  return arrow::schema(std::move(fields));
}

Status WriteCut(const KeyedTable& table, const TableCut& cut, StateWriter& file) {
  ARROW_RETURN_NOT_OK(WriteBatches(*cut.deleted, kDeleted, KeySchema(table), file));
  ARROW_RETURN_NOT_OK(WriteBatches(*cut.rows, kRows, table.schema(), file));
  return WriteFigures(cut, file);
}

Status ReadFigures(const StateReader& reader, TableFile* file) {
  ARROW_ASSIGN_OR_RAISE(const auto batches, reader.ReadGroups(kFigures, kFigures + 1));
  bool is_one = batches.size() == 1 && batches[0]->num_rows() == 1 &&
                batches[0]->num_columns() == static_cast<int>(kFigureNames.size());
  std::array<int64_t, kFigureNames.size()> figures{};
  for (size_t i = 0; is_one && i < figures.size(); ++i) {
    const ArrayPtr& column = batches[0]->column(static_cast<int>(i));
    is_one = column->type_id() == arrow::Type::INT64 && column->null_count() == 0;
    if (is_one) figures[i] = static_cast<const arrow::Int64Array&>(*column).Value(0);
  }
  if (!is_one) return Error(ErrorKind::kBadData, "the figures of a saved table are damaged");
  file->since = figures[0];
  file->changes = figures[1];
  file->num_rows = figures[2];
  return Status::OK();
}

Status ApplyFile(const StateReader& file, KeyedTable& table) {
  ARROW_ASSIGN_OR_RAISE(const auto deleted, file.ReadGroups(kDeleted, kDeleted + 1));
  for (const auto& keys : deleted) ARROW_RETURN_NOT_OK(table.Delete(*keys));
  for (const StateSection& section : file.sections()) {
    if (section.key_group != kRows) continue;
    ARROW_ASSIGN_OR_RAISE(const auto rows, file.Read(section));
    ARROW_RETURN_NOT_OK(table.Upsert(*rows));
  }
  return Status::OK();
}

}  // namespace

Result<TableFile> ReadTableFile(const StateReader& reader) {
  TableFile file;
  ARROW_RETURN_NOT_OK(ReadFigures(reader, &file));
  for (const StateSection& section : reader.sections()) {
    if (section.key_group == kDeleted) file.deleted += section.num_rows;
    if (section.key_group != kRows) continue;
    file.rows += section.num_rows;
    if (file.schema != nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader.Read(section));
    file.schema = batch->schema();
  }
  return file;
}

Status SavedTable::Save(KeyedTable& table, CheckpointWriter& writer) {
  ARROW_RETURN_NOT_OK(table.Expire());
  writer.KeepPart(kTablePart, places_);
  if (changes_ == table.num_changes()) return Status::OK();
  const bool takes_more = changes_ >= 0 && places_.size() < kFilesMax;
  ARROW_ASSIGN_OR_RAISE(TableCut cut, table.Cut(takes_more ? rows_ / 2 - rows_behind_ : -1));
  changes_ = cut.changes;
  if (cut.since < 0) {
    places_.clear();
    writer.KeepPart(kTablePart, {});
    rows_ = cut.num_read;
    rows_behind_ = 0;
  } else {
    rows_behind_ += cut.num_read;
  }
  places_.push_back(
      writer.AddFile(kTablePart, [shared = std::make_shared<TableCut>(std::move(cut)),
                                  saved = table.shared_from_this()](StateWriter& file) {
        return WriteCut(*saved, *shared, file);
      }));
  return Status::OK();
}

Status SavedTable::Restore(const QueryCheckpoint& checkpoint, KeyedTable& table,
                           arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(places_, checkpoint.Places(kTablePart));
  ARROW_ASSIGN_OR_RAISE(const auto readers, checkpoint.OpenFiles(kTablePart, pool));
  TableFile last;
  last.changes = -1;
  for (size_t i = 0; i < readers.size(); ++i) {
    const auto damaged = [&](const Status& status) {
      return WithContext(status, fmt::format("table {}, {}: ", table.name(), places_[i]));
    };
    const auto file = ReadTableFile(*readers[i]);
    ARROW_RETURN_NOT_OK(damaged(file.status()));
    if (file->since != last.changes) {
      return damaged(
          Error(ErrorKind::kBadData,
                "expected what came after change {} of the table, got what came after {}",
                last.changes, file->since));
    }
    ARROW_RETURN_NOT_OK(damaged(ApplyFile(*readers[i], table)));
    (i == 0 ? rows_ : rows_behind_) += file->rows + file->deleted;
    last = *file;
  }
  if (readers.empty()) {
    return Error(ErrorKind::kBadData, "table {}: the checkpoint has no file of it", table.name());
  }
  table.RestoreChanges(last.changes);
  const bool is_same = table.num_rows() == last.num_rows;
  if (!is_same && !table.retention_micros().has_value()) {
    return Error(ErrorKind::kBadData, "table {}: expected {} saved rows, got {}", table.name(),
                 last.num_rows, table.num_rows());
  }
  // Rows that are too old by now make it another table.
  if (is_same) {
    ARROW_RETURN_NOT_OK(table.Cut(0).status());
    changes_ = last.changes;
  }
  return Status::OK();
}

}  // namespace headrace
