// The table of annotations.
#include "headrace/sql/annotations.h"

#include <algorithm>

#include "headrace/table/options.h"

namespace headrace::sql {
namespace {

enum class Use {
  kNamesJob,
  kDescribes,  // told by SHOW PROPERTIES, and followed by nobody
  kIgnored,
};

struct AnnotationDef {
  std::string_view name;  // "sla.": all that begin so
  Use use;
  bool is_of_file;
  const char* instead;  // of what is ignored
};

constexpr const char* kLanes =
    "rows are spread over the lanes by their keys; SET threads says how many lanes there are";
constexpr const char* kFigures =
    "every query has its figures anyway: SHOW METRICS, SHOW STATUS, job.status()";

constexpr AnnotationDef kAnnotations[] = {
    {"application", Use::kNamesJob, true, ""},
    {"app", Use::kNamesJob, true, ""},
    {"name", Use::kNamesJob, true, ""},
    {"version", Use::kDescribes, true, ""},
    {"description", Use::kDescribes, true, ""},
    {"author", Use::kDescribes, true, ""},
    {"team", Use::kDescribes, true, ""},
    {"phase", Use::kDescribes, true, ""},
    {"compliance", Use::kDescribes, true, ""},
    {"depends_on", Use::kDescribes, true, ""},
    {"data_retention", Use::kDescribes, true, ""},
    {"sla.", Use::kDescribes, true, ""},
    {"deployment.", Use::kDescribes, true, ""},
    {"observability.", Use::kIgnored, true, kFigures},
    {"job_mode", Use::kIgnored, false,
     "whatever the mode, rows are published by epochs, each once, and all lanes work"},
    {"batch_size", Use::kIgnored, false, "SET batch_rows = n says how many rows a batch has"},
    {"num_partitions", Use::kIgnored, false, kLanes},
    {"partition-count", Use::kIgnored, false, kLanes},
    {"partitioning_strategy", Use::kIgnored, false, kLanes},
    {"sticky-partition-id", Use::kIgnored, false, kLanes},
    {"metric", Use::kIgnored, false, kFigures},
    {"metric_type", Use::kIgnored, false, kFigures},
    {"metric_help", Use::kIgnored, false, kFigures},
    {"metric_labels", Use::kIgnored, false, kFigures},
    {"metric_field", Use::kIgnored, false, kFigures},
    {"metric_condition", Use::kIgnored, false, kFigures},
    {"metric_sample_rate", Use::kIgnored, false, kFigures},
    {"metric_buckets", Use::kIgnored, false, kFigures},
};

/// Null when nobody knows it.
const AnnotationDef* Find(std::string_view name) {
  for (const AnnotationDef& known : kAnnotations) {
    const bool is_it =
        known.name.ends_with('.') ? name.starts_with(known.name) : name == known.name;
    if (is_it) return &known;
  }
  return nullptr;
}

Diagnostic Warn(const Annotation& annotation, const char* code, std::string message,
                std::string hint) {
  Diagnostic warning;
  warning.severity = Severity::kWarning;
  warning.code = code;
  warning.message = std::move(message);
  warning.hint = std::move(hint);
  warning.span = annotation.span;
  return warning;
}

Diagnostic WarnOfUnknown(const Annotation& annotation) {
  std::vector<std::string> names;
  for (const AnnotationDef& known : kAnnotations) {
    if (!known.name.ends_with('.')) names.emplace_back(known.name);
  }
  const std::string nearest = NearestName(annotation.name, names);
  return Warn(annotation, "unknown-annotation",
              fmt::format("no annotation is called @{}; it is read as a comment", annotation.name),
              nearest.empty() ? "" : fmt::format("did you mean @{}?", nearest));
}

bool IsKept(const Annotation& annotation) {
  const AnnotationDef* known = Find(annotation.name);
  return known != nullptr && known->use != Use::kIgnored && !annotation.value.empty();
}

}  // namespace

bool IsOfFile(std::string_view name) {
  const AnnotationDef* known = Find(name);
  return known != nullptr && known->is_of_file;
}

std::string JobNameOf(const Application& application) {
  for (const Annotation& annotation : application.annotations) {
    const AnnotationDef* known = Find(annotation.name);
    if (known != nullptr && known->use == Use::kNamesJob && IsKept(annotation)) {
      return annotation.value;
    }
  }
  return "";
}

std::vector<std::pair<std::string, std::string>> PropertiesOf(const Application& application) {
  std::vector<std::pair<std::string, std::string>> properties;
  for (const Annotation& annotation : application.annotations) {
    if (IsKept(annotation)) properties.emplace_back(annotation.name, annotation.value);
  }
  for (const StreamQuery& query : application.queries) {
    for (const Annotation& annotation : query.annotations) {
      if (!IsKept(annotation)) continue;
      properties.emplace_back(query.name + "." + annotation.name, annotation.value);
    }
  }
  return properties;
}

std::vector<Diagnostic> CheckAnnotations(const std::vector<Annotation>& annotations,
                                         bool are_of_file) {
  std::vector<Diagnostic> found;
  bool is_named = false;
  for (const Annotation& annotation : annotations) {
    const AnnotationDef* known = Find(annotation.name);
    if (known == nullptr) {
      found.push_back(WarnOfUnknown(annotation));
    } else if (known->use == Use::kIgnored) {
      found.push_back(Warn(annotation, "annotation-ignored",
                           fmt::format("nothing here follows @{}", annotation.name),
                           known->instead));
    } else if (annotation.value.empty()) {
      found.push_back(Warn(annotation, "annotation-ignored",
                           fmt::format("@{} has no value", annotation.name),
                           fmt::format("write -- @{}: value", annotation.name)));
    } else if (known->use == Use::kNamesJob) {
      if (!are_of_file || is_named) {
        found.push_back(
            Warn(annotation, "annotation-ignored",
                 fmt::format("@{} does not name the job", annotation.name),
                 "the first of @application, @app and @name before the first statement does"));
      }
      is_named = true;
    }
  }
  return found;
}

}  // namespace headrace::sql
