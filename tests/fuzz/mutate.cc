// The mutations, each a function that changes an input in place.
#include "mutate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "fuzz.h"

namespace headrace::fuzz {
namespace {

constexpr uint64_t kMutationsMax = 6;
constexpr uint64_t kShortBytesMax = 16;
constexpr uint64_t kRepeatsMax = 300;

/// What mutations take their material from.
struct Material {
  const std::vector<std::string>& seeds;
  const std::vector<std::string>& tokens;
};

using Mutation = void (*)(Rng& rng, const Material& material, std::string* input);

size_t Position(Rng& rng, const std::string& input) { return rng.Below(input.size() + 1); }

/// Mostly short, sometimes anything up to `max`.
size_t Length(Rng& rng, size_t max) {
  if (max == 0) return 0;
  return 1 + rng.Below(rng.Below(4) == 0 ? max : std::min<uint64_t>(max, kShortBytesMax));
}

void Overwrite(size_t at, std::string_view bytes, std::string* input) {
  const size_t count = std::min(bytes.size(), input->size() - at);
  std::copy_n(bytes.begin(), count, input->begin() + static_cast<std::ptrdiff_t>(at));
}

void FlipBit(Rng& rng, const Material&, std::string* input) {
  if (input->empty()) return;
  char& byte = (*input)[rng.Below(input->size())];
  byte = static_cast<char>(byte ^ (1 << rng.Below(8)));
}

void SetByte(Rng& rng, const Material&, std::string* input) {
  if (input->empty()) return;
  (*input)[rng.Below(input->size())] = static_cast<char>(rng.Below(256));
}

void InsertBytes(Rng& rng, const Material&, std::string* input) {
  std::string bytes(1 + rng.Below(kShortBytesMax), '\0');
  for (char& byte : bytes) byte = static_cast<char>(rng.Below(256));
  input->insert(Position(rng, *input), bytes);
}

void Truncate(Rng& rng, const Material&, std::string* input) {
  input->resize(Position(rng, *input));
}

void RemoveRange(Rng& rng, const Material&, std::string* input) {
  const size_t at = Position(rng, *input);
  input->erase(at, Length(rng, input->size() - at));
}

void CopyRange(Rng& rng, const Material&, std::string* input) {
  const size_t from = Position(rng, *input);
  const std::string bytes = input->substr(from, Length(rng, input->size() - from));
  const size_t to = Position(rng, *input);
  if (rng.Below(2) == 0) {
    Overwrite(to, bytes, input);
  } else {
    input->insert(to, bytes);
  }
}

/// Many copies of a few bytes: depth, long numbers, many fields.
void RepeatRange(Rng& rng, const Material&, std::string* input) {
  const size_t at = Position(rng, *input);
  const std::string bytes = input->substr(at, 1 + rng.Below(kShortBytesMax));
  std::string copies;
  for (uint64_t i = rng.Below(kRepeatsMax); i > 0; --i) copies += bytes;
  input->insert(at, copies);
}

/// Numbers at which lengths, counts and offsets go wrong.
uint64_t ExtremeNumber(Rng& rng, size_t input_size) {
  constexpr auto kMax = std::numeric_limits<uint64_t>::max();
  switch (rng.Below(6)) {
    case 0:
      return rng.Below(2) == 0 ? 0 : kMax;
    case 1:  // around the powers of two
      return (uint64_t{1} << rng.Below(64)) + rng.Below(3) - 1;
    case 2:  // their negations
      return -(uint64_t{1} << rng.Below(64));
    case 3:  // around the size
      return input_size + rng.Below(17) - 8;
    case 4:
      return rng.Below(input_size + 1);
    default:
      return rng.Next();
  }
}

void SetNumber(Rng& rng, const Material&, std::string* input) {
  const size_t width = size_t{1} << rng.Below(4);
  if (input->size() < width) return;
  uint64_t number = ExtremeNumber(rng, input->size());
  std::array<char, sizeof number> bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  if (rng.Below(4) == 0) std::reverse(bytes.begin(), bytes.begin() + width);
  Overwrite(rng.Below(input->size() - width + 1), {bytes.data(), width}, input);
}

/// One more or one less, and the like.
void AddToNumber(Rng& rng, const Material&, std::string* input) {
  const size_t width = size_t{1} << rng.Below(4);
  if (input->size() < width) return;
  const size_t at = rng.Below(input->size() - width + 1);
  uint64_t number = 0;
  std::memcpy(&number, input->data() + at, width);
  number += rng.Below(33) - 16;
  std::memcpy(input->data() + at, &number, width);
}

/// A run of digits becomes another number.
void SetDecimalNumber(Rng& rng, const Material&, std::string* input) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto middle = input->begin() + static_cast<std::ptrdiff_t>(Position(rng, *input));
  const auto begin = std::find_if(middle, input->end(), is_digit);
  const auto end = std::find_if_not(begin, input->end(), is_digit);
  if (begin == end) return;
  std::string number = std::to_string(ExtremeNumber(rng, input->size()));
  if (rng.Below(8) == 0) number.append(rng.Below(400), '9');
  input->replace(begin, end, number);
}

void PutToken(Rng& rng, const Material& material, std::string* input) {
  if (material.tokens.empty()) return;
  const std::string& token = material.tokens[rng.Below(material.tokens.size())];
  const size_t at = Position(rng, *input);
  if (rng.Below(2) == 0) {
    Overwrite(at, token, input);
  } else {
    input->insert(at, token);
  }
}

/// The start of this input with the end of another, or with a piece of it inside.
void Splice(Rng& rng, const Material& material, std::string* input) {
  const std::string& other = material.seeds[rng.Below(material.seeds.size())];
  const size_t from = Position(rng, other);
  const size_t at = Position(rng, *input);
  if (rng.Below(2) == 0) {
    input->replace(at, std::string::npos, other, from);
  } else {
    input->insert(at, other, from, Length(rng, other.size() - from));
  }
}

constexpr std::array kMutations = {
    FlipBit,          SetByte,     InsertBytes, Truncate,  RemoveRange,
    CopyRange,        RepeatRange, SetNumber,   SetNumber, AddToNumber,
    SetDecimalNumber, PutToken,    PutToken,    PutToken,  Splice};

}  // namespace

Mutator::Mutator(std::vector<std::string> seeds, std::vector<std::string> tokens, uint64_t seed)
    : seeds_(std::move(seeds)), tokens_(std::move(tokens)), seed_(seed) {
  Expect(!seeds_.empty(), "a target has seeds");
}

std::string Mutator::MakeInput(uint64_t number) const {
  if (number < seeds_.size()) return seeds_[number];
  Rng rng(Rng(seed_).Next() ^ Rng(number).Next());
  std::string input = seeds_[rng.Below(seeds_.size())];
  // Few mutations mostly: many at once are found at the first check.
  for (uint64_t i = 1 + rng.Below(1 + rng.Below(kMutationsMax)); i > 0; --i) {
    kMutations[rng.Below(kMutations.size())](rng, {seeds_, tokens_}, &input);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  }
  return input;
}

}  // namespace headrace::fuzz
