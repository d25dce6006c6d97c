// Parser of column lists.
#include "headrace/format/csv/column_list.h"

#include <cctype>
#include <charconv>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/base/limits.h"
#include "headrace/types/type_table.h"

namespace headrace::csv {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SchemaPtr> Parse() {
    ARROW_ASSIGN_OR_RAISE(auto fields, ParseFields());
    if (at_ < text_.size()) return Unexpected("\",\" or the end");
    return arrow::schema(std::move(fields));
  }

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Take(char c) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view TakeWord() {
    SkipBlanks();
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  text_[at_] == '_' || (text_[at_] & 0x80) != 0)) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }
  Status Unexpected(std::string_view expected) const {
    return Error(ErrorKind::kSyntax, "option columns: expected {} at character {}, got \"{}\"",
                 expected, at_ + 1, text_.substr(at_));
  }

  Result<std::string> ParseName() {
    if (!Take('"')) {
      const std::string_view word = TakeWord();
      if (word.empty()) return Unexpected("a column name");
      return std::string(word);
    }
    std::string name;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"' && !text_.substr(at_ + 1).starts_with('"')) {
        ++at_;
        return name;
      }
      if (text_[at_] == '"') ++at_;
      name += text_[at_];
    }
    return Unexpected("a closing quote");
  }

  Result<std::vector<std::shared_ptr<arrow::Field>>> ParseFields() {
    std::vector<std::shared_ptr<arrow::Field>> fields;
    std::set<std::string> names;
    do {
      ARROW_ASSIGN_OR_RAISE(std::string name, ParseName());
      ARROW_ASSIGN_OR_RAISE(TypePtr type, ParseType());
      if (!names.insert(name).second) {
        return Error(ErrorKind::kInvalidArgument,
                     "option columns: expected different names, got again \"{}\"", name);
      }
      fields.push_back(arrow::field(std::move(name), std::move(type)));
    } while (Take(','));
    return fields;
  }

  /// "BIGINT", "STRUCT(a BIGINT, b VARCHAR[])[]", "MAP(VARCHAR, DOUBLE)".
  Result<TypePtr> ParseType() {
    if (++depth_ > kNestingDepthMax) return Unexpected("a type that is nested less");
    std::string name;
    TakeWords(&name);
    if (name.empty()) return Unexpected("a type");
    const std::string lower = LowerCase(name);
    TypePtr type;
    if (lower == "struct") {
      ARROW_ASSIGN_OR_RAISE(type, ParseStruct());
    } else if (lower == "map") {
      ARROW_ASSIGN_OR_RAISE(type, ParseMap());
    } else {
      ARROW_ASSIGN_OR_RAISE(type, ParseFlatType(std::move(name)));
    }
    while (Take('[')) {
      if (!Take(']')) return Unexpected("\"]\"");
      type = arrow::list(std::move(type));
    }
    --depth_;
    return type;
  }

  Result<TypePtr> ParseStruct() {
    if (!Take('(')) return Unexpected("\"(\" and the fields");
    ARROW_ASSIGN_OR_RAISE(auto fields, ParseFields());
    if (!Take(')')) return Unexpected("\",\" or \")\"");
    return arrow::struct_(std::move(fields));
  }

  Result<TypePtr> ParseMap() {
    if (!Take('(')) return Unexpected("\"(\" and the types of keys and values");
    ARROW_ASSIGN_OR_RAISE(TypePtr key, ParseType());
    if (!Take(',')) return Unexpected("\",\" and the type of the values");
    ARROW_ASSIGN_OR_RAISE(TypePtr item, ParseType());
    if (!Take(')')) return Unexpected("\")\"");
    return arrow::map(std::move(key), std::move(item));
  }

  /// "DECIMAL(10, 2)", "TIMESTAMP(3) WITH TIME ZONE".
  Result<TypePtr> ParseFlatType(std::string name) {
    std::vector<int64_t> params;
    if (Take('(')) {
      ARROW_RETURN_NOT_OK(ParseNumbers(&params));
      TakeWords(&name);
    }
    return TypeFromSqlName(name, params);
  }

  void TakeWords(std::string* words) {
    for (std::string_view word; !(word = TakeWord()).empty();) {
      if (!words->empty()) *words += ' ';
      *words += word;
    }
  }

  Status ParseNumbers(std::vector<int64_t>* numbers) {
    do {
      const std::string_view digits = TakeWord();
      int64_t value = 0;
      const char* const end = digits.data() + digits.size();
      const auto [rest, error] = std::from_chars(digits.data(), end, value);
      if (error != std::errc() || rest != end) return Unexpected("a number");
      numbers->push_back(value);
    } while (Take(','));
    return Take(')') ? Status::OK() : Unexpected("\")\"");
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<SchemaPtr> ParseColumnList(std::string_view text) { return Parser(text).Parse(); }

}  // namespace headrace::csv
