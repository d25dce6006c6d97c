// The binder of a whole file: one statement after the other, each seeing what those before made.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "headrace/sql/binder.h"
#include "headrace/sql/stream_definition.h"

namespace headrace::sql {

/// One application; all references must outlive the binder.
class ApplicationBinder {
 public:
  ApplicationBinder(Session& session, const ApplicationMakers& makers, Application* application);

  /// Errors carry spans in the statement's text. REQUIRES: statements come in order.
  Status BindNext(size_t statement);
  /// After the last: streams of queries that nobody reads go to the standard output.
  Status Finish();

 private:
  /// A sink that INSERT and INTO may name.
  struct DeclaredSink {
    SinkDefinition sink;
    SchemaPtr schema;  // null: that of the first query
    std::vector<int> key;
  };
  /// CREATE STREAM … AS without a connector.
  struct DerivedStream {
    StreamQuery query;
    bool is_read = false;
  };

  Status BindStream(const Statement& statement);
  Status BindDerivedStream(const Statement& statement);
  Status BindTable(const Statement& statement);
  Status BindFeed(const Statement& statement, TableDefinition* table, StreamQuery* query);
  Status BindSink(const Statement& statement);
  Status BindInsert(const Statement& statement);
  Status BindSelect(const Statement& statement);
  Status BindOther(const Statement& statement);

  Status CheckIsNew(const Statement& statement, bool* does_nothing) const;
  /// Streams whose options stand in the statement that reads them.
  Status OpenNamedSources(const Statement& statement);
  Status OpenStream(StreamDefinition definition, TextSpan span);
  Result<StreamQuery> BindQueryOf(const Statement& statement, const ConnectorOptions* options);
  Result<SinkDefinition> SinkOf(const std::string& name, const StreamOptions& with);
  /// Refuses options for a sink or table that has its own.
  Status CheckNoOptions(const std::string& name, const Statement& statement) const;
  Status CheckSink(const SinkDefinition& sink, TextSpan span) const;
  Status DeclareStreamAsSink(const std::string& name, TextSpan span);
  Status WriteTo(const std::string& name, TextSpan span, const std::vector<std::string>& columns,
                 StreamQuery query);
  Status MakeTable(TableDefinition table, TextSpan span);
  Status CheckNotRead(const StreamQuery& query) const;
  Status AddQuery(StreamQuery query);
  void NoteReads(const NamesRead& names, StreamQuery* query);
  std::optional<size_t> TableCalled(const std::string& name) const;
  const ApplicationStatement& here() const { return application_->statements[statement_]; }

  Session& session_;
  const ApplicationMakers& makers_;
  Application* application_;
  ConfigFiles files_;
  size_t statement_ = 0;
  std::map<std::string, DeclaredSink> sinks_;     // by name in lower case
  VersionedTables versions_;                      // tables of a connector
  std::map<std::string, DerivedStream> derived_;  // by name in lower case
};

}  // namespace headrace::sql
