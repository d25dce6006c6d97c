// One switch that writes and one that reads the specifiers.
#include "headrace/function/time_format.h"

#include <optional>

#include "headrace/base/ascii_case.h"

namespace headrace {
namespace {

Status UnknownSpecifier(std::string_view format, char letter) {
  return Error(ErrorKind::kInvalidArgument, "no such specifier: %{} in '{}'", letter, format);
}

/// Weeks that begin on `first` (0 is Sunday); days before the first are week 0.
int64_t WeekOfYear(int64_t days, int64_t day_of_year, int first) {
  const int64_t since = (WeekdayOf(days) - first + 7) % 7;
  return (day_of_year - 1 + 7 - since) / 7;
}

class Formatter {
 public:
  Formatter(const CivilTime& time, int64_t offset, std::string* out)
      : days_(time.days),
        date_(DateOfDays(time.days)),
        day_of_year_(time.days - DaysOfDate(date_.year, 1, 1) + 1),
        seconds_(time.nanos / kNanosPerSecond),
        nanos_(time.nanos % kNanosPerSecond),
        offset_(offset),
        out_(*out) {}

  Status Run(std::string_view format) {
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') {
        out_ += format[i];
        continue;
      }
      const bool is_short = i + 1 < format.size() && format[i + 1] == '-';
      i += is_short ? 2 : 1;
      const char letter = i < format.size() ? format[i] : '%';
      if (i >= format.size() || !(Number(letter, is_short) || (!is_short && Word(letter)))) {
        return UnknownSpecifier(format, letter);
      }
    }
    return Status::OK();
  }

 private:
  void Pad(int64_t value, int width, bool is_short) {
    char digits[20];
    char* const end = digits + sizeof(digits);
    char* begin = end;
    uint64_t rest = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    do {
      *--begin = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest > 0);
    if (value < 0) out_ += '-';
    const auto written = static_cast<int>(end - begin) + (value < 0 ? 1 : 0);
    if (!is_short && written < width) out_.append(static_cast<size_t>(width - written), '0');
    out_.append(begin, end);
  }

  bool Number(char letter, bool is_short) {
    const int64_t hour = seconds_ / 3'600;
    switch (letter) {
      case 'd':
        return Pad(date_.day, 2, is_short), true;
      case 'm':
        return Pad(date_.month, 2, is_short), true;
      case 'y':
        return Pad((date_.year % 100 + 100) % 100, 2, is_short), true;
      case 'H':
        return Pad(hour, 2, is_short), true;
      case 'I':
        return Pad((hour + 11) % 12 + 1, 2, is_short), true;
      case 'M':
        return Pad(seconds_ / 60 % 60, 2, is_short), true;
      case 'S':
        return Pad(seconds_ % 60, 2, is_short), true;
      case 'j':
        return Pad(day_of_year_, 3, is_short), true;
      default:
        return false;
    }
  }

  bool Word(char letter) {
    switch (letter) {
      case '%':
        return out_ += '%', true;
      case 'Y':
        return Pad(date_.year, 4, false), true;
      case 'a':
        return out_ += kWeekdayNames[WeekdayOf(days_)].substr(0, 3), true;
      case 'A':
        return out_ += kWeekdayNames[WeekdayOf(days_)], true;
      case 'b':
      case 'h':
        return out_ += kMonthNames[date_.month - 1].substr(0, 3), true;
      case 'B':
        return out_ += kMonthNames[date_.month - 1], true;
      case 'p':
        return out_ += seconds_ < 43'200 ? "AM" : "PM", true;
      case 'f':
        return Pad(nanos_ / 1'000, 6, false), true;
      case 'g':
        return Pad(nanos_ / 1'000'000, 3, false), true;
      case 'n':
        return Pad(nanos_, 9, false), true;
      case 'w':
        return Pad(WeekdayOf(days_), 1, false), true;
      case 'u':
        return Pad((WeekdayOf(days_) + 6) % 7 + 1, 1, false), true;
      case 'U':
        return Pad(WeekOfYear(days_, day_of_year_, 0), 2, false), true;
      case 'W':
        return Pad(WeekOfYear(days_, day_of_year_, 1), 2, false), true;
      case 'V':
        return Pad(IsoWeekOf(days_).week, 2, false), true;
      case 'G':
        return Pad(IsoWeekOf(days_).year, 4, false), true;
      default:
        return Composed(letter);
    }
  }

  bool Composed(char letter) {
    switch (letter) {
      case 'x':
      case 'F':
        return Run("%Y-%m-%d").ok();
      case 'X':
      case 'T':
        return Run("%H:%M:%S").ok();
      case 'c':
        return Run("%Y-%m-%d %H:%M:%S").ok();
      case 'z': {
        const int64_t minutes = std::abs(offset_) / 60;
        out_ += fmt::format("{}{:02}", offset_ < 0 ? '-' : '+', minutes / 60);
        if (minutes % 60 != 0) out_ += fmt::format(":{:02}", minutes % 60);
        return true;
      }
      default:
        return false;
    }
  }

  const int64_t days_;
  const CivilDate date_;
  const int64_t day_of_year_;
  const int64_t seconds_;
  const int64_t nanos_;
  const int64_t offset_;
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool AtEnd() const { return text_.empty(); }
  bool Literal(char letter) {
    if (text_.empty() || text_.front() != letter) return false;
    text_.remove_prefix(1);
    return true;
  }
  void Blanks() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }
  /// 1 to `digits` digits; how many.
  int Digits(int digits, int64_t* value) {
    int count = 0;
    *value = 0;
    for (; count < digits && !text_.empty() && text_.front() >= '0' && text_.front() <= '9';
         ++count) {
      *value = *value * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
    }
    return count;
  }
  /// One of the names, or their first `letters` letters; its place.
  std::optional<int64_t> Name(std::span<const std::string_view> names, size_t letters) {
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string_view name = names[i].substr(0, letters);
      if (!EqualsIgnoringCase(text_.substr(0, name.size()), name)) continue;
      text_.remove_prefix(name.size());
      return static_cast<int64_t>(i);
    }
    return std::nullopt;
  }
  bool Sign(int64_t* sign) {
    *sign = !text_.empty() && text_.front() == '-' ? -1 : 1;
    return Literal('-') || Literal('+');
  }

 private:
  std::string_view text_;
};

/// What has been read so far.
struct Parts {
  int64_t year = 1900;
  int64_t month = 1;
  int64_t day = 1;
  std::optional<int64_t> day_of_year;
  int64_t hour = 0;
  std::optional<bool> is_afternoon;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t nanos = 0;
  int64_t offset = 0;
};

class Parser {
 public:
  Parser(std::string_view text, std::string_view format) : reader_(text), format_(format) {}

  /// True when the text fits.
  Result<bool> Run(std::string_view format) {
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] == ' ') {
        reader_.Blanks();
        continue;
      }
      if (format[i] != '%') {
        if (!reader_.Literal(format[i])) return false;
        continue;
      }
      i += i + 1 < format.size() && format[i + 1] == '-' ? 2 : 1;
      const char letter = i < format.size() ? format[i] : '%';
      ARROW_ASSIGN_OR_RAISE(const bool fits, Specifier(letter));
      if (!fits) return false;
    }
    return true;
  }

  bool Finish(CivilTime* out) {
    reader_.Blanks();
    if (!reader_.AtEnd()) return false;
    Parts& p = parts_;
    if (p.is_afternoon.has_value()) {
      if (p.hour < 1 || p.hour > 12) return false;
      p.hour = p.hour % 12 + (*p.is_afternoon ? 12 : 0);
    }
    if (p.hour > 23 || p.minute > 59 || p.second > 59) return false;
    if (!IsDate(p.year, p.month, p.day)) return false;
    int64_t days = DaysOfDate(p.year, p.month, p.day);
    if (p.day_of_year.has_value()) {
      days = DaysOfDate(p.year, 1, 1) + *p.day_of_year - 1;
      if (*p.day_of_year < 1 || DateOfDays(days).year != p.year) return false;
    }
    const int64_t seconds = p.hour * 3'600 + p.minute * 60 + p.second - p.offset;
    const int64_t carried = FloorDivide(seconds, kSecondsPerDay);
    *out = {days + carried, (seconds - carried * kSecondsPerDay) * kNanosPerSecond + p.nanos};
    return true;
  }

 private:
  bool Fraction(int digits_max) {
    int64_t value;
    int count = reader_.Digits(digits_max, &value);
    if (count == 0) return false;
    for (; count < 9; ++count) value *= 10;
    parts_.nanos = value;
    return true;
  }

  bool Offset() {
    int64_t sign;
    int64_t hours;
    int64_t minutes = 0;
    if (reader_.Literal('Z')) return true;
    if (!reader_.Sign(&sign) || reader_.Digits(2, &hours) != 2) return false;
    const bool has_minutes = reader_.Literal(':');
    if (reader_.Digits(2, &minutes) != 2 && has_minutes) return false;
    parts_.offset = sign * (hours * 3'600 + minutes * 60);
    return true;
  }

  /// An index from 0 into names.
  bool Named(std::span<const std::string_view> names, size_t letters, int64_t* value) {
    const auto found = reader_.Name(names, letters);
    if (found.has_value()) *value = *found + 1;
    return found.has_value();
  }

  Result<bool> Specifier(char letter) {
    int64_t ignored;
    switch (letter) {
      case 'Y': {
        int64_t sign = 1;
        reader_.Sign(&sign);
        const bool fits = reader_.Digits(7, &parts_.year) > 0;
        parts_.year *= sign;
        return fits;
      }
      case 'y': {
        const bool fits = reader_.Digits(2, &parts_.year) > 0;
        parts_.year += parts_.year >= 69 ? 1900 : 2000;
        return fits;
      }
      case 'm':
        return reader_.Digits(2, &parts_.month) > 0;
      case 'b':
      case 'h':
        return Named(kMonthNames, 3, &parts_.month);
      case 'B':
        return Named(kMonthNames, std::string_view::npos, &parts_.month);
      case 'a':
        return Named(kWeekdayNames, 3, &ignored);
      case 'A':
        return Named(kWeekdayNames, std::string_view::npos, &ignored);
      case 'd':
        return reader_.Digits(2, &parts_.day) > 0;
      case 'j': {
        int64_t day;
        const bool fits = reader_.Digits(3, &day) > 0;
        parts_.day_of_year = day;
        return fits;
      }
      case 'H':
      case 'I':
        return reader_.Digits(2, &parts_.hour) > 0;
      case 'M':
        return reader_.Digits(2, &parts_.minute) > 0;
      case 'S':
        return reader_.Digits(2, &parts_.second) > 0;
      default:
        return RareSpecifier(letter);
    }
  }

  Result<bool> RareSpecifier(char letter) {
    static constexpr std::string_view kHalves[] = {"AM", "PM"};
    switch (letter) {
      case 'f':
        return Fraction(6);
      case 'g':
        return Fraction(3);
      case 'n':
        return Fraction(9);
      case 'p': {
        const auto half = reader_.Name(kHalves, 2);
        if (half.has_value()) parts_.is_afternoon = *half == 1;
        return half.has_value();
      }
      case 'z':
        return Offset();
      case 'x':
      case 'F':
        return Run("%Y-%m-%d");
      case 'X':
      case 'T':
        return Run("%H:%M:%S");
      case 'c':
        return Run("%Y-%m-%d %H:%M:%S");
      case '%':
        return reader_.Literal('%');
      default:
        return UnknownSpecifier(format_, letter);
    }
  }

  Reader reader_;
  std::string_view format_;
  Parts parts_;
};

}  // namespace

Status FormatTime(const CivilTime& time, int64_t offset_seconds, std::string_view format,
                  std::string* out) {
  return Formatter(time, offset_seconds, out).Run(format);
}

Result<ParsedTime> ParseTime(std::string_view text, std::string_view format, CivilTime* out) {
  Parser parser(text, format);
  ARROW_ASSIGN_OR_RAISE(const bool fits, parser.Run(format));
  return fits && parser.Finish(out) ? ParsedTime::kOk : ParsedTime::kMismatch;
}

}  // namespace headrace
