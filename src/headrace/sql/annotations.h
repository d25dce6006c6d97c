// Annotations: which there are, and what each means here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/sql/lint/lint.h"
#include "headrace/sql/stream_application.h"

namespace headrace::sql {

/// Whether an annotation of this name speaks of a whole file, wherever it stands before its first
/// statement.
bool IsOfFile(std::string_view name);

/// The name that the file gives its job; "": none.
std::string JobNameOf(const Application& application);

/// What annotations tell of the job: those of the file by name, those of queries as "query.name".
std::vector<std::pair<std::string, std::string>> PropertiesOf(const Application& application);

/// Warnings about those that nobody knows, that nothing here follows, that have no value, or that
/// name the job where it has its name already.
std::vector<Diagnostic> CheckAnnotations(const std::vector<Annotation>& annotations,
                                         bool are_of_file);

}  // namespace headrace::sql
