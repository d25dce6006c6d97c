// Digests: the message in blocks of 64 bytes, padded with a one bit, zeros and its length in bits.
#include "headrace/function/digest.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace headrace {
namespace {

constexpr size_t kBlock = 64;

/// Calls `step(block)` for each block of the padded message.
template <typename Step>
void ForEachBlock(std::string_view bytes, bool is_big_endian, Step&& step) {
  const uint64_t bits = static_cast<uint64_t>(bytes.size()) * 8;
  for (; bytes.size() >= kBlock; bytes.remove_prefix(kBlock)) step(bytes.data());
  char tail[2 * kBlock] = {};
  std::copy(bytes.begin(), bytes.end(), tail);
  tail[bytes.size()] = '\x80';
  const size_t size = bytes.size() < kBlock - 8 ? kBlock : 2 * kBlock;
  const uint64_t length = is_big_endian ? __builtin_bswap64(bits) : bits;
  std::memcpy(tail + size - 8, &length, 8);
  for (size_t place = 0; place < size; place += kBlock) step(tail + place);
}

uint32_t LittleWord(const char* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, 4);
  return word;
}

uint32_t BigWord(const char* bytes) { return __builtin_bswap32(LittleWord(bytes)); }

using Words = std::array<uint32_t, 16>;

/// Calls `step` with 0 to 63 as constants of the compiler.
template <typename Step>
[[gnu::always_inline]] inline void SixtyFourTimes(Step&& step) {
  [&]<size_t... kStep>(std::index_sequence<kStep...>) {
    (step(std::integral_constant<size_t, kStep>()), ...);
  }(std::make_index_sequence<64>());
}

/// floor(2^32 · |sin(i + 1)|)
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

/// In place of moving the four words on, each step names them one further.
template <size_t kStep>
[[gnu::always_inline]] inline void Md5Step(const Words& words, std::array<uint32_t, 4>& state) {
  constexpr int kTurns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  constexpr size_t kRound = kStep / 16;
  constexpr size_t kStride[4] = {1, 5, 3, 7};
  constexpr size_t kFirst[4] = {0, 1, 5, 0};
  uint32_t& a = state[(64 - kStep) % 4];
  const uint32_t b = state[(65 - kStep) % 4];
  const uint32_t c = state[(66 - kStep) % 4];
  const uint32_t d = state[(67 - kStep) % 4];
  a += kSines[kStep] + words[(kStride[kRound] * kStep + kFirst[kRound]) % 16];
  if constexpr (kRound == 0) a += d ^ (b & (c ^ d));
  if constexpr (kRound == 1) a += (c & ~d) + (b & d);
  if constexpr (kRound == 2) a += b ^ c ^ d;
  if constexpr (kRound == 3) a += c ^ (b | ~d);
  a = b + std::rotl(a, kTurns[kRound][kStep % 4]);
}

void Md5Block(const char* block, std::array<uint32_t, 4>& state) {
  Words words;
  for (size_t i = 0; i < 16; ++i) words[i] = LittleWord(block + 4 * i);
  std::array<uint32_t, 4> next = state;
  SixtyFourTimes([&](auto step) __attribute__((always_inline)) { Md5Step<step()>(words, next); });
  for (size_t i = 0; i < 4; ++i) state[i] += next[i];
}

constexpr std::array<uint32_t, 64> kShaConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// The word of a step, from 16 before it.
template <size_t kStep>
[[gnu::always_inline]] inline uint32_t ShaWord(Words& words) {
  if constexpr (kStep >= 16) {
    const uint32_t x = words[(kStep + 1) % 16];
    const uint32_t y = words[(kStep + 14) % 16];
    const uint32_t low = std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3);
    const uint32_t high = std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10);
    words[kStep % 16] += low + words[(kStep + 9) % 16] + high;
  }
  return words[kStep % 16];
}

template <size_t kStep>
[[gnu::always_inline]] inline void ShaStep(Words& words, std::array<uint32_t, 8>& state) {
  const uint32_t a = state[(64 - kStep) % 8];
  const uint32_t b = state[(65 - kStep) % 8];
  const uint32_t c = state[(66 - kStep) % 8];
  uint32_t& d = state[(67 - kStep) % 8];
  const uint32_t e = state[(68 - kStep) % 8];
  const uint32_t f = state[(69 - kStep) % 8];
  const uint32_t g = state[(70 - kStep) % 8];
  uint32_t& h = state[(71 - kStep) % 8];
  const uint32_t choice = g ^ (e & (f ^ g));
  const uint32_t majority = (a & b) | (c & (a | b));
  h += (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + kShaConstants[kStep] +
       ShaWord<kStep>(words);
  d += h;
  h += (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
}

void Sha256Block(const char* block, std::array<uint32_t, 8>& state) {
  Words words;
  for (size_t i = 0; i < 16; ++i) words[i] = BigWord(block + 4 * i);
  std::array<uint32_t, 8> next = state;
  SixtyFourTimes([&](auto step) __attribute__((always_inline)) { ShaStep<step()>(words, next); });
  for (size_t i = 0; i < 8; ++i) state[i] += next[i];
}

void WriteHex(std::string_view bytes, bool upper, char* out) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  for (const char byte : bytes) {
    *out++ = digits[static_cast<uint8_t>(byte) >> 4];
    *out++ = digits[static_cast<uint8_t>(byte) & 15];
  }
}

/// The words' bytes as they lie in memory.
template <size_t kWords>
std::array<char, 8 * kWords> HexOf(const std::array<uint32_t, kWords>& words) {
  std::array<char, 8 * kWords> text;
  WriteHex({reinterpret_cast<const char*>(words.data()), 4 * kWords}, false, text.data());
  return text;
}

}  // namespace

std::string HexText(std::string_view bytes, bool upper) {
  std::string text(2 * bytes.size(), '\0');
  WriteHex(bytes, upper, text.data());
  return text;
}

std::array<char, 32> Md5Hex(std::string_view bytes) {
  std::array<uint32_t, 4> state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  ForEachBlock(bytes, false, [&](const char* block) { Md5Block(block, state); });
  return HexOf(state);
}

std::array<char, 64> Sha256Hex(std::string_view bytes) {
  std::array<uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  ForEachBlock(bytes, true, [&](const char* block) { Sha256Block(block, state); });
  for (uint32_t& word : state) word = __builtin_bswap32(word);
  return HexOf(state);
}

}  // namespace headrace
