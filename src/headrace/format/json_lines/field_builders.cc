// Fields of an object: keys mostly come in the order of the columns.
#include "headrace/format/json_lines/value_builder.h"

namespace headrace::json_lines {

void FieldBuilders::Add(const std::string& name, std::unique_ptr<ValueBuilder> builder,
                        bool required) {
  const bool plain = name.find_first_of("\"\\") == std::string::npos;
  built_ += builder != nullptr ? 1 : 0;
  index_.emplace(name, fields_.size());
  fields_.push_back({name, plain, required && builder != nullptr, std::move(builder)});
}

Fit FieldBuilders::Append(JsonObject& object, Reading& reading) {
  ++object_;
  seen_ = 0;
  const Fit fit = AppendFields(object, reading);
  if (fit == Fit::kNoMemory || seen_ == built_) return fit;
  return FillMissing(fit, reading);
}

Fit FieldBuilders::AppendFields(JsonObject& object, Reading& reading) {
  for (auto member : object) {
    simdjson::ondemand::field field;
    const auto error = std::move(member).get(field);
    if (error != simdjson::SUCCESS) [[unlikely]] {
      reading.place = nullptr;
      reading.path.clear();
      reading.expected = simdjson::error_message(error);
      return Fit::kBroken;
    }
    const Fit fit = AppendField(field, reading);
    if (fit != Fit::kFits) [[unlikely]]
      return fit;
  }
  return Fit::kFits;
}

Fit FieldBuilders::AppendField(simdjson::ondemand::field& member, Reading& reading) {
  size_t index = next_;
  if (index >= fields_.size() || !fields_[index].plain ||
      !member.key().unsafe_is_equal(fields_[index].name)) {
    const Fit fit = FindField(member, &index, reading);
    if (fit != Fit::kFits || index == kUnknown) return fit;
  }
  next_ = index + 1;
  Field& field = fields_[index];
  if (field.builder == nullptr) return Fit::kFits;
  if (field.seen_in == object_) [[unlikely]] {
    if (reading.on_error == OnError::kNull) {
      ++reading.mended;  // the first value stays
      return Fit::kFits;
    }
    return Reject(member.value(), fmt::format("key \"{}\" once", field.name), reading);
  }
  if (field.required && TokenOf(member.value()) == "null") [[unlikely]] {
    reading.path.clear();
    const Fit fit = Reject(member.value(), "a value (the column is NOT NULL)", reading);
    reading.path = field.name;
    return fit;
  }
  field.seen_in = object_;
  ++seen_;
  const Fit fit = field.builder->Append(member.value(), reading);
  if (fit == Fit::kMisfit || fit == Fit::kBroken) [[unlikely]] {
    reading.path = reading.path.empty() ? field.name : field.name + "." + reading.path;
  }
  return fit;
}

Fit FieldBuilders::FindField(simdjson::ondemand::field& member, size_t* index, Reading& reading) {
  std::string_view key;
  const auto error = GetKey(member, &key);
  if (error != simdjson::SUCCESS) return Broken(member.value(), error, reading);
  const auto found = index_.find(std::string(key));
  *index = found == index_.end() ? kUnknown : found->second;
  if (*index != kUnknown || !unknown_keys_fail_) return Fit::kFits;
  if (reading.on_error == OnError::kNull) {
    ++reading.mended;
    return Fit::kFits;
  }
  const std::string name(key);
  const Fit fit = Reject(member.value(), "a key that is a column", reading);
  reading.got = "\"" + name + "\" (option unknown_keys => 'ignore' passes over it)";
  return fit;
}

Fit FieldBuilders::FillMissing(Fit all, Reading& reading) {
  for (Field& field : fields_) {
    if (field.builder == nullptr || field.seen_in == object_) continue;
    const Fit fit = field.builder->AppendNull(reading);
    if (fit != Fit::kFits) return fit;
    if (!field.required || all != Fit::kFits) continue;
    reading.place = nullptr;
    reading.path = field.name;
    reading.expected = "a value (the column is NOT NULL)";
    reading.got = "none";
    all = Fit::kMisfit;
  }
  return all;
}

Fit FieldBuilders::AppendNulls(Reading& reading) {
  ++object_;
  return FillMissing(Fit::kFits, reading);
}

Result<std::vector<ArrayPtr>> FieldBuilders::Finish() {
  std::vector<ArrayPtr> arrays;
  for (Field& field : fields_) {
    if (field.builder == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(ArrayPtr array, field.builder->Finish());
    arrays.push_back(std::move(array));
  }
  return arrays;
}

}  // namespace headrace::json_lines
