// MatchRecognize: finds matches of a row pattern within partitions, as rows come.
#pragma once

#include <memory>
#include <string>

#include "headrace/exec/operator.h"
#include "headrace/plan/match_recognize.h"

namespace headrace {

/// See MatchRecognizeNode for what is given. REQUIRES: one lane, the rows of each partition in
/// their order. Keeps the rows that a match under way may take or look at; a partition that has
/// passed is forgotten where partitions stand together. Cost: about one look per row and split of
/// the pattern where predicates are over rows alone; else matches may be searched many times over.
class MatchRecognizeSpec final : public OperatorSpec {
 public:
  MatchRecognizeSpec(SchemaPtr schema, MatchTerms terms, bool partitions_stand_together)
      : schema(std::move(schema)),
        terms(std::move(terms)),
        partitions_stand_together(partitions_stand_together) {}
  std::string name() const override { return "match_recognize"; }
  std::string Describe() const override;
  std::unique_ptr<Operator> Make(std::shared_ptr<GlobalState> global) const override;

  const SchemaPtr schema;
  const MatchTerms terms;
  const bool partitions_stand_together;
};

}  // namespace headrace
