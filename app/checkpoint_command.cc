// headrace checkpoint: what a state directory holds, read without changing it, and its removal.
#include <algorithm>
#include <variant>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/memory_pool.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "command.h"
#include "headrace/exec/checkpoint/saved_table.h"
#include "headrace/io/directory_lock.h"
#include "headrace/types/type_table.h"
#include "row_writer.h"
#include "terminal.h"

namespace headrace::app {
namespace {

/// Columns that grow by rows of texts and numbers.
class Rows {
 public:
  explicit Rows(std::vector<std::pair<std::string, bool>> columns) {
    for (const auto& [name, is_number] : columns) {
      fields_.push_back(arrow::field(name, is_number ? arrow::int64() : arrow::utf8()));
      if (is_number) {
        builders_.push_back(std::make_unique<arrow::Int64Builder>());
      } else {
        builders_.push_back(std::make_unique<arrow::StringBuilder>());
      }
    }
  }
  /// A cell per column; null: −1 in a column of numbers.
  Status Add(const std::vector<std::variant<std::string, int64_t>>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (const auto* text = std::get_if<std::string>(&cells[i])) {
        ARROW_RETURN_NOT_OK(static_cast<arrow::StringBuilder&>(*builders_[i]).Append(*text));
        continue;
      }
      const int64_t number = std::get<int64_t>(cells[i]);
      ARROW_RETURN_NOT_OK(number < 0
                              ? builders_[i]->AppendNull()
                              : static_cast<arrow::Int64Builder&>(*builders_[i]).Append(number));
    }
    return Status::OK();
  }
  Status Write(const std::string& format, Output& output, const char* unit) {
    std::vector<ArrayPtr> columns;
    for (const auto& builder : builders_) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
    }
    const int64_t rows = columns.front()->length();
    const auto batch = arrow::RecordBatch::Make(arrow::schema(fields_), rows, std::move(columns));
    TableOptions table;
    table.width = output.is_terminal() ? TerminalWidth(output.descriptor()) : 0;
    table.color = output.is_terminal() && ShowsColor(output.descriptor());
    table.unit = unit;
    const auto writer = MakeRowWriter(format, output, table);
    ARROW_RETURN_NOT_OK(writer->Begin(*batch->schema()));
    ARROW_RETURN_NOT_OK(writer->Write(*batch));
    return writer->End();
  }

 private:
  arrow::FieldVector fields_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
};

std::string ColumnsText(const SchemaPtr& schema) {
  std::string text;
  if (schema == nullptr) return text;
  for (const auto& field : schema->fields()) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", field->name(), SqlNameOf(*field->type()));
  }
  return text;
}

/// Positions are bytes: those that are no text are shown in hexadecimal digits.
std::string PositionText(const std::string& position) {
  const bool is_text = std::all_of(position.begin(), position.end(), [](unsigned char c) {
    return c >= ' ' || c == '\n' || c == '\t';
  });
  if (is_text) return position.substr(0, position.find_last_not_of('\n') + 1);
  std::string hex = "\\x";
  for (const unsigned char c : position) hex += fmt::format("{:02x}", c);
  return hex;
}

Status List(const CheckpointReader& saved, const CheckpointCommand& command, Output& output) {
  Rows rows({{"epoch", true},
             {"query", false},
             {"state", false},
             {"table_rows", true},
             {"bytes", true},
             {"plan", false}});
  for (const std::string& name : saved.QueryNames()) {
    const QueryCheckpoint& query = *saved.Find(name);
    ARROW_ASSIGN_OR_RAISE(const auto parts, query.Parts());
    int64_t bytes = 0;
    int64_t table_rows = -1;
    for (const QueryCheckpoint::Part& part : parts) {
      for (const int64_t file_bytes : part.file_bytes) bytes += file_bytes;
      if (part.name != kTablePart) continue;
      ARROW_ASSIGN_OR_RAISE(const auto files,
                            query.OpenFiles(part.name, arrow::default_memory_pool()));
      if (files.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(const TableFile last, ReadTableFile(*files.back()));
      table_rows = last.num_rows;
    }
    ARROW_RETURN_NOT_OK(
        rows.Add({saved.epoch(), name, std::string(query.ended() ? "ended" : "running"), table_rows,
                  bytes, fmt::format("{:016x}", query.plan_hash())}));
  }
  return rows.Write(command.format, output, "query");
}

/// The first file holds all rows, those behind it what came and went since.
Status InspectTable(const std::string& name, const QueryCheckpoint& query,
                    const QueryCheckpoint::Part& part, Rows* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto files, query.OpenFiles(part.name, arrow::default_memory_pool()));
  for (size_t i = 0; i < files.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const TableFile file, ReadTableFile(*files[i]));
    std::string holds = ColumnsText(file.schema);
    if (file.deleted > 0) {
      holds += fmt::format("{}{} deleted keys", holds.empty() ? "" : "; ", file.deleted);
    }
    const std::string title = i == 0 ? part.name : fmt::format("{}, changes {}", part.name, i);
    ARROW_RETURN_NOT_OK(rows->Add({name, title, file.rows, part.file_bytes[i], holds}));
  }
  return Status::OK();
}

Status InspectPart(const std::string& name, const QueryCheckpoint& query,
                   const QueryCheckpoint::Part& part, Rows* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, query.OpenPart(part.name, arrow::default_memory_pool()));
  int64_t num_rows = 0;
  for (const StateSection& section : reader->sections()) num_rows += section.num_rows;
  SchemaPtr schema;
  if (!reader->sections().empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Read(reader->sections().front()));
    schema = batch->schema();
  }
  const int64_t bytes = part.file_bytes.empty() ? 0 : part.file_bytes.front();
  return rows->Add({name, part.name, num_rows, bytes, ColumnsText(schema)});
}

Status InspectQuery(const std::string& name, const QueryCheckpoint& query, Rows* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto parts, query.Parts());
  for (const QueryCheckpoint::Part& part : parts) {
    const auto inspect = part.name == kTablePart ? InspectTable : InspectPart;
    ARROW_RETURN_NOT_OK(inspect(name, query, part, rows));
  }
  for (const auto& [scan, positions] : query.positions()) {
    for (const auto& [split, position] : positions) {
      ARROW_RETURN_NOT_OK(
          rows->Add({name, fmt::format("position of scan {}, split {}", scan, split), int64_t{-1},
                     int64_t{-1}, PositionText(position)}));
    }
  }
  return Status::OK();
}

Status Inspect(const CheckpointReader& saved, const CheckpointCommand& command, Output& output) {
  if (!command.query.empty() && saved.Find(command.query) == nullptr) {
    const std::string nearest = NearestName(command.query, saved.QueryNames());
    return Error(ErrorKind::kUnknownName, "{} holds no state of a query called \"{}\"{}",
                 command.directory, command.query,
                 nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
  }
  Rows rows({{"query", false}, {"part", false}, {"rows", true}, {"bytes", true}, {"holds", false}});
  for (const std::string& name : saved.QueryNames()) {
    if (!command.query.empty() && name != command.query) continue;
    ARROW_RETURN_NOT_OK(InspectQuery(name, *saved.Find(name), &rows));
  }
  return rows.Write(command.format, output, "part");
}

}  // namespace

Status RunCheckpoint(const CheckpointCommand& command, Output& output) {
  using What = CheckpointCommand::What;
  Vfs& vfs = LocalVfs();
  const auto none = [&] {
    return Error(ErrorKind::kNotFound, "{} holds no checkpoint", command.directory);
  };
  // Looked at twice, so that no lock is left where there is no state.
  ARROW_ASSIGN_OR_RAISE(auto saved, CheckpointReader::Look(vfs, command.directory));
  if (saved == nullptr) return none();
  ARROW_ASSIGN_OR_RAISE(const auto lock, DirectoryLock::Take(command.directory));
  ARROW_ASSIGN_OR_RAISE(saved, CheckpointReader::Look(vfs, command.directory));
  if (saved == nullptr) return none();
  if (command.what == What::kInspect) return Inspect(*saved, command, output);
  if (command.what == What::kList) return List(*saved, command, output);
  ARROW_RETURN_NOT_OK(RemoveCheckpoint(vfs, command.directory));
  fmt::print(stderr, "removed epoch {} of {}\n", saved->epoch(), command.directory);
  return Status::OK();
}

}  // namespace headrace::app
