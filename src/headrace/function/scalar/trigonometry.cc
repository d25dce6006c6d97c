// Trigonometric and hyperbolic functions over float64, in radians. They follow IEEE 754: outside
// its domain a function gives NaN, never an error.
#include <cmath>
#include <numbers>

#include "headrace/function/float_forms.h"

namespace headrace {
namespace {

constexpr Example kSinExamples[] = {{"sin(0)", "0.0"}, {"sin(NULL)", "NULL"}};
constexpr Example kCosExamples[] = {{"cos(0)", "1.0"}, {"cos(NULL)", "NULL"}};
constexpr Example kTanExamples[] = {{"tan(0)", "0.0"}, {"tan(NULL)", "NULL"}};
constexpr Example kCotExamples[] = {{"cot(1)", "0.6420926159343306"}, {"cot(NULL)", "NULL"}};
constexpr Example kAsinExamples[] = {{"asin(0)", "0.0"}, {"asin(NULL)", "NULL"}};
constexpr Example kAcosExamples[] = {{"acos(1)", "0.0"}, {"acos(NULL)", "NULL"}};
constexpr Example kAtanExamples[] = {{"atan(0)", "0.0"}, {"atan(NULL)", "NULL"}};
constexpr Example kSinhExamples[] = {{"sinh(0)", "0.0"}, {"sinh(NULL)", "NULL"}};
constexpr Example kCoshExamples[] = {{"cosh(0)", "1.0"}, {"cosh(NULL)", "NULL"}};
constexpr Example kTanhExamples[] = {{"tanh(0)", "0.0"}, {"tanh(NULL)", "NULL"}};
constexpr Example kAsinhExamples[] = {{"asinh(0)", "0.0"}, {"asinh(NULL)", "NULL"}};
constexpr Example kAcoshExamples[] = {{"acosh(1)", "0.0"}, {"acosh(NULL)", "NULL"}};
constexpr Example kAtanhExamples[] = {{"atanh(0)", "0.0"}, {"atanh(NULL)", "NULL"}};
constexpr Example kDegreesExamples[] = {{"degrees(pi())", "180.0"}, {"degrees(NULL)", "NULL"}};
constexpr Example kRadiansExamples[] = {{"radians(180)", "3.141592653589793"},
                                        {"radians(NULL)", "NULL"}};
constexpr Example kAtan2Examples[] = {{"atan2(0, 1)", "0.0"}, {"atan2(NULL, 1)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kSin) = {
    .id = "sin",
    .names = {.sql = "sin"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::sin(x); }>,
    .arguments = "x",
    .doc = "The sine of an angle in radians.",
    .examples = kSinExamples,
};

HEADRACE_DEFINE_FUNCTION(kCos) = {
    .id = "cos",
    .names = {.sql = "cos"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::cos(x); }>,
    .arguments = "x",
    .doc = "The cosine of an angle in radians.",
    .examples = kCosExamples,
};

HEADRACE_DEFINE_FUNCTION(kTan) = {
    .id = "tan",
    .names = {.sql = "tan"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::tan(x); }>,
    .arguments = "x",
    .doc = "The tangent of an angle in radians.",
    .examples = kTanExamples,
};

HEADRACE_DEFINE_FUNCTION(kCot) = {
    .id = "cot",
    .names = {.sql = "cot"},
    .overloads = kFloat64UnaryForm<[](double x) { return 1.0 / std::tan(x); }>,
    .arguments = "x",
    .doc = "The cotangent of an angle in radians.",
    .examples = kCotExamples,
};

HEADRACE_DEFINE_FUNCTION(kAsin) = {
    .id = "asin",
    .names = {.sql = "asin"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::asin(x); }>,
    .arguments = "x",
    .doc = "The angle in radians whose sine is x; NaN outside -1 to 1.",
    .examples = kAsinExamples,
};

HEADRACE_DEFINE_FUNCTION(kAcos) = {
    .id = "acos",
    .names = {.sql = "acos"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::acos(x); }>,
    .arguments = "x",
    .doc = "The angle in radians whose cosine is x; NaN outside -1 to 1.",
    .examples = kAcosExamples,
};

HEADRACE_DEFINE_FUNCTION(kAtan) = {
    .id = "atan",
    .names = {.sql = "atan"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::atan(x); }>,
    .arguments = "x",
    .doc = "The angle in radians whose tangent is x.",
    .examples = kAtanExamples,
};

HEADRACE_DEFINE_FUNCTION(kSinh) = {
    .id = "sinh",
    .names = {.sql = "sinh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::sinh(x); }>,
    .arguments = "x",
    .doc = "The hyperbolic sine.",
    .examples = kSinhExamples,
};

HEADRACE_DEFINE_FUNCTION(kCosh) = {
    .id = "cosh",
    .names = {.sql = "cosh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::cosh(x); }>,
    .arguments = "x",
    .doc = "The hyperbolic cosine.",
    .examples = kCoshExamples,
};

HEADRACE_DEFINE_FUNCTION(kTanh) = {
    .id = "tanh",
    .names = {.sql = "tanh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::tanh(x); }>,
    .arguments = "x",
    .doc = "The hyperbolic tangent.",
    .examples = kTanhExamples,
};

HEADRACE_DEFINE_FUNCTION(kAsinh) = {
    .id = "asinh",
    .names = {.sql = "asinh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::asinh(x); }>,
    .arguments = "x",
    .doc = "The inverse hyperbolic sine.",
    .examples = kAsinhExamples,
};

HEADRACE_DEFINE_FUNCTION(kAcosh) = {
    .id = "acosh",
    .names = {.sql = "acosh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::acosh(x); }>,
    .arguments = "x",
    .doc = "The inverse hyperbolic cosine; NaN below 1.",
    .examples = kAcoshExamples,
};

HEADRACE_DEFINE_FUNCTION(kAtanh) = {
    .id = "atanh",
    .names = {.sql = "atanh"},
    .overloads = kFloat64UnaryForm<[](double x) { return std::atanh(x); }>,
    .arguments = "x",
    .doc = "The inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond.",
    .examples = kAtanhExamples,
};

HEADRACE_DEFINE_FUNCTION(kDegrees) = {
    .id = "degrees",
    .names = {.sql = "degrees"},
    .overloads = kFloat64UnaryForm<[](double x) { return x * (180 / std::numbers::pi); }>,
    .arguments = "x",
    .doc = "An angle in radians, in degrees.",
    .examples = kDegreesExamples,
};

HEADRACE_DEFINE_FUNCTION(kRadians) = {
    .id = "radians",
    .names = {.sql = "radians"},
    .overloads = kFloat64UnaryForm<[](double x) { return x * (std::numbers::pi / 180); }>,
    .arguments = "x",
    .doc = "An angle in degrees, in radians.",
    .examples = kRadiansExamples,
};

HEADRACE_DEFINE_FUNCTION(kAtan2) = {
    .id = "atan2",
    .names = {.sql = "atan2"},
    .overloads = kFloat64BinaryForm<[](double y, double x) { return std::atan2(y, x); }>,
    .arguments = "y, x",
    .doc = "The angle in radians between the x axis and the point (x, y).",
    .examples = kAtan2Examples,
};

}  // namespace headrace
