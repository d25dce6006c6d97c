// CREATE STREAM, TABLE and SINK with connectors: what their clauses and options say, checked.
#pragma once

#include <string_view>

#include "headrace/sql/ast.h"
#include "headrace/sql/config_file.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {

/// Whether CREATE TABLE is one that a job keeps by key – the latest row of each –, and not a table
/// in memory that is made once: it is a materialized view, or says PRIMARY KEY or WITH. In the file
/// of an application every CREATE TABLE is. (Whether a query runs on without an end is another
/// thing: it does if a stream is among what it reads.)
bool KeepsRows(const Statement& statement);

/// Options of WITH by who reads them: config_file read and gone, names of the origin understood.
struct ConnectorOptions {
  std::string connector;  // "" where none is given
  OptionMap options;
  OptionMap engine_options;
};

/// Those of `with` that are for `name`: keys `name.key` become `key`; keys of other names, which
/// have a connector too, are left out. Errors carry the span of the key.
Result<ConnectorOptions> OptionsFor(const std::string& name, const StreamOptions& with,
                                    const ConfigFiles& files);
/// Names x for which `with` has x.connector, x.type or x.config_file.
std::vector<std::string> NamesWithConnectors(const StreamOptions& with);

/// Of definitions; null without any. kInvalidArgument for names that come twice.
Result<SchemaPtr> SchemaOf(const Statement& statement);
/// The columns of PRIMARY KEY in `schema`.
Result<std::vector<int>> KeyOf(const Statement& statement, const arrow::Schema& schema);

/// Without `source`. REQUIRES: CREATE STREAM or TABLE with WITH.
Result<StreamDefinition> DefineStream(const Statement& statement, const ConfigFiles& files);
/// The stream called `name` whose options are among those of the statement that reads it.
Result<StreamDefinition> DefineStreamOf(const std::string& name, const StreamOptions& with,
                                        const ConfigFiles& files);
/// Takes late.data.strategy and allowed.lateness out of `options`; nothing where they are not
/// given.
Status TakeLatePolicy(OptionMap* options, std::optional<LatePolicy>* late,
                      std::optional<int64_t>* lateness_micros);
/// `definition`, whose source is opened, as the catalog has it. kTypeMismatch when the source has
/// other columns than declared.
Result<StreamDef> CatalogEntryOf(const StreamDefinition& definition);

}  // namespace headrace::sql
