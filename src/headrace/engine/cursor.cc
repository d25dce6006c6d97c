// Cursor: a thin handle on QueryRun.
#include "headrace/engine/cursor.h"

#include "arrow/record_batch.h"
#include "headrace/engine/query_run.h"

namespace headrace {

Cursor::Cursor(std::unique_ptr<QueryRun> run) : run_(std::move(run)) {}
Cursor::~Cursor() = default;
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;

const SchemaPtr& Cursor::schema() const { return run_->schema(); }
Result<std::shared_ptr<arrow::RecordBatch>> Cursor::Next() { return run_->NextBatch(); }
void Cursor::set_poll(Poll poll) { run_->set_poll(std::move(poll)); }
void Cursor::Cancel() { run_->Cancel(); }
void Cursor::Close() { run_->Close(); }
std::string Cursor::Profile() const { return run_->Profile(); }
QueryMetrics Cursor::metrics() const { return run_->metrics(); }

}  // namespace headrace
