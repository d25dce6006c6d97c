// Decoders of numbers against loops over single bits, and headers of pages that are garbage.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arrow/util/compression.h"
#include "headrace/format/parquet/bit_unpack.h"
#include "headrace/format/parquet/delta_decoder.h"
#include "headrace/format/parquet/hybrid_decoder.h"
#include "headrace/format/parquet/page_header.h"
#include "headrace/format/parquet/page_stream.h"
#include "headrace/format/parquet/snappy.h"
#include "headrace/format/parquet/spread.h"
#include "headrace/format/parquet/value_decoder.h"

namespace headrace::parquet_format {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Padded(Bytes bytes) {
  bytes.resize(bytes.size() + kPagePadding, 0xab);
  return bytes;
}

uint64_t BitsAt(const Bytes& bytes, int64_t bit, int width) {
  uint64_t value = 0;
  for (int i = 0; i < width; ++i, ++bit) {
    const uint64_t one = (bytes[static_cast<size_t>(bit / 8)] >> (bit % 8)) & 1;
    value |= one << i;
  }
  return value;
}

TEST(BitUnpackTest, EveryWidthFromEveryPlace) {
  std::mt19937 random(1);
  constexpr int64_t kCount = 100;
  for (int width = 0; width <= 64; ++width) {
    Bytes bytes(static_cast<size_t>((kCount * width + 7) / 8));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Bytes padded = Padded(bytes);
    for (const int64_t first : {0, 1, 7, 8, 9, 40, 76, 99}) {
      std::vector<uint64_t> wide(kCount);
      std::vector<uint32_t> narrow(kCount);
      UnpackBits(padded.data(), first, kCount - first, width, wide.data());
      if (width <= 32) UnpackBits(padded.data(), first, kCount - first, width, narrow.data());
      for (int64_t i = first; i < kCount; ++i) {
        const uint64_t expected = BitsAt(padded, i * width, width);
        ASSERT_EQ(wide[static_cast<size_t>(i - first)], expected) << width << " " << i;
        if (width > 32) continue;
        ASSERT_EQ(narrow[static_cast<size_t>(i - first)], expected) << width;
      }
    }
  }
}

TEST(HybridDecoderTest, RunsAndPackedNumbers) {
  // 5 times 3; then eight packed numbers 0 … 7, as in the description of the format.
  const Bytes bytes = Padded({10, 3, 3, 0x88, 0xc6, 0xfa});
  HybridDecoder whole(bytes.data(), 6, 3), pieces(bytes.data(), 6, 3);
  std::vector<uint32_t> numbers(13);
  ASSERT_TRUE(whole.Read(13, numbers.data()).ok());
  EXPECT_EQ(numbers, (std::vector<uint32_t>{3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_FALSE(whole.Skip(1).ok());
  ASSERT_TRUE(pieces.Skip(7).ok());
  ASSERT_TRUE(pieces.Read(2, numbers.data()).ok());
  EXPECT_EQ(numbers[0], 2u);
  EXPECT_EQ(numbers[1], 3u);
}

TEST(HybridDecoderTest, GarbageEnds) {
  std::mt19937 random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(random() % 12);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Bytes padded = Padded(bytes);
    const int width = static_cast<int>(random() % 33);
    std::vector<uint32_t> out(1000);
    HybridDecoder decoder(padded.data(), static_cast<int64_t>(bytes.size()), width);
    for (int call = 0; call < 5 && decoder.Read(200, out.data()).ok(); ++call) continue;
    auto deltas = DeltaDecoder::Make(padded.data(), static_cast<int64_t>(bytes.size()));
    std::vector<uint64_t> values(1000);
    if (deltas.ok()) static_cast<void>(deltas->Read(1000, values.data()));
  }
}

TEST(DeltaDecoderTest, ExampleOfTheFormat) {
  // 7, 5, 3, 1, 2, 3, 4, 5: first value 7, least difference −2, differences of 2 bits.
  Bytes bytes = {0x80, 0x01, 0x04, 0x08, 0x0e, 0x03, 0x02, 0, 0, 0, 0xc0, 0x3f};
  bytes.resize(bytes.size() + 6);
  const Bytes padded = Padded(bytes);
  auto decoder = DeltaDecoder::Make(padded.data(), static_cast<int64_t>(bytes.size())).ValueOrDie();
  EXPECT_EQ(decoder.values_left(), 8);
  std::vector<uint64_t> values(8);
  ASSERT_TRUE(decoder.Read(3, values.data()).ok());
  ASSERT_TRUE(decoder.Read(5, values.data() + 3).ok());
  EXPECT_EQ(values, (std::vector<uint64_t>{7, 5, 3, 1, 2, 3, 4, 5}));
  EXPECT_EQ(decoder.end(), padded.data() + bytes.size());
  EXPECT_FALSE(decoder.Skip(1).ok());
}

// In runs of one length and all mixed; a page cut anywhere has only the texts that are whole.
TEST(TextDecoderTest, PlainTextsOfEveryLengthAndCut) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::string> texts;
    Bytes page;
    size_t length = 0;
    for (int i = 0; i < 40; ++i) {
      if (trial % 4 == 0 || random() % 12 == 0) length = random() % 20;
      texts.emplace_back(length, static_cast<char>('a' + random() % 26));
      const auto stored = static_cast<uint32_t>(length);
      for (int shift = 0; shift < 32; shift += 8) {
        page.push_back(static_cast<uint8_t>(stored >> shift));
      }
      page.insert(page.end(), texts.back().begin(), texts.back().end());
    }
    Bytes cut(page.begin(), page.begin() + static_cast<int64_t>(random() % page.size()));
    for (const Bytes* bytes : {&page, &cut}) {
      const auto decoder = MakeTextDecoder(Encoding::kPlain, *bytes).ValueOrDie();
      std::vector<std::string_view> views(texts.size());
      size_t done = 0;
      for (size_t part = 1; done < texts.size(); done += part) {
        part = std::min(texts.size() - done, random() % 30UL);
        if (!decoder->Read(static_cast<int64_t>(part), views.data() + done).ok()) break;
      }
      ASSERT_EQ(done == texts.size(), bytes == &page) << trial;
      for (size_t i = 0; i < done; ++i) ASSERT_EQ(views[i], texts[i]) << trial << " " << i;
    }
  }
}

TEST(SpreadTest, ValuesGoToTheirRows) {
  std::mt19937 random(3);
  for (const int width : {1, 2, 4, 8, 16, 5}) {
    for (int trial = 0; trial < 50; ++trial) {
      const int64_t rows = 1 + static_cast<int64_t>(random() % 70), offset = trial % 9;
      Bytes bits(20), values(static_cast<size_t>(rows * width)), expected(values.size());
      for (uint8_t& byte : bits) byte = static_cast<uint8_t>(random() & random());
      int64_t dense = 0;
      for (int64_t row = 0; row < rows; ++row) {
        if (BitsAt(bits, offset + row, 1) == 0) continue;
        ++dense;
        for (int i = 0; i < width; ++i) {
          expected[static_cast<size_t>(row * width + i)] = static_cast<uint8_t>(dense + i);
          values[static_cast<size_t>((dense - 1) * width + i)] = static_cast<uint8_t>(dense + i);
        }
      }
      Spread(values.data(), width, rows, dense, bits.data(), offset);
      ASSERT_EQ(values, expected) << width;
    }
  }
}

TEST(PageHeaderTest, EveryPrefixIsShortAndGarbageIsNoHeader) {
  // A data page: 100 bytes plain, 60 stored, 7 values, PLAIN.
  const Bytes bytes = {0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x78, 0x2c, 0x15,
                       0x0e, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x00, 0x00};
  PageHeader header;
  EXPECT_EQ(ParsePageHeader(bytes, &header).ValueOrDie(), int64_t{18});
  EXPECT_EQ(header.kind, PageHeader::Kind::kData);
  EXPECT_EQ(header.plain_bytes, 100);
  EXPECT_EQ(header.stored_bytes, 60);
  EXPECT_EQ(header.num_values, 7);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto parsed = ParsePageHeader(std::span(bytes).first(length), &header);
    EXPECT_FALSE(parsed.ok() && parsed->has_value()) << length;
  }
  std::mt19937 random(4);
  for (int i = 0; i < 50'000; ++i) {
    Bytes garbage(random() % 40);
    for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(random());
    const auto parsed = ParsePageHeader(garbage, &header);
    if (parsed.ok() && parsed->has_value()) {
      EXPECT_LE(**parsed, static_cast<int64_t>(garbage.size()));
      EXPECT_GE(header.stored_bytes, 0);
    }
  }
}

/// Literals and copies of all lengths and distances.
Bytes Repetitive(std::mt19937& random, size_t size) {
  Bytes bytes;
  const uint32_t distance_max = 1u << (random() % 17);
  while (bytes.size() < size) {
    const size_t length = 1 + random() % (random() % 8 == 0 ? 3000 : 40);
    const size_t distance = 1 + random() % distance_max;
    const bool copies = random() % 2 == 0 && distance <= bytes.size();
    for (size_t i = 0; i < length && bytes.size() < size; ++i) {
      bytes.push_back(copies ? bytes[bytes.size() - distance] : static_cast<uint8_t>(random()));
    }
  }
  return bytes;
}

TEST(SnappyTest, GivesBackWhatAnotherCompressed) {
  std::mt19937 random(3);
  const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  for (int round = 0; round < 600; ++round) {
    const Bytes plain =
        Repetitive(random, round < 200 ? static_cast<size_t>(round) : random() % 200'000);
    const auto size = static_cast<int64_t>(plain.size());
    Bytes packed(static_cast<size_t>(codec->MaxCompressedLen(size, plain.data())));
    const int64_t bytes =
        codec->Compress(size, plain.data(), static_cast<int64_t>(packed.size()), packed.data())
            .ValueOrDie();
    packed.resize(static_cast<size_t>(bytes));
    packed.shrink_to_fit();
    Bytes out(plain.size());
    ASSERT_TRUE(DecompressSnappy(packed, out).ok()) << round;
    ASSERT_EQ(out, plain) << round;
    Bytes other(plain.size() + 1);
    EXPECT_FALSE(DecompressSnappy(packed, other).ok());
    EXPECT_FALSE(DecompressSnappy(std::span(packed).first(packed.size() - 1), out).ok());
  }
}

/// Behind the copies nothing, or enough that they are not near the end.
void CheckCopies(size_t rest) {
  for (uint32_t distance = 1; distance <= 60; ++distance) {
    for (uint32_t length = 1; length <= 64; ++length) {
      Bytes packed = {static_cast<uint8_t>(0), 0}, plain;
      for (uint32_t i = 0; i < distance; ++i) plain.push_back(static_cast<uint8_t>(i + 1));
      packed.push_back(static_cast<uint8_t>((distance - 1) << 2));
      packed.insert(packed.end(), plain.begin(), plain.end());
      for (int copies = 0; copies < 5; ++copies) {
        packed.insert(packed.end(), {static_cast<uint8_t>(((length - 1) << 2) | 2),
                                     static_cast<uint8_t>(distance), 0});
        for (uint32_t i = 0; i < length; ++i) plain.push_back(plain[plain.size() - distance]);
      }
      for (size_t i = 0; i < rest; ++i) {
        packed.insert(packed.end(), {0, static_cast<uint8_t>(i)});
        plain.push_back(static_cast<uint8_t>(i));
      }
      packed[0] = static_cast<uint8_t>(plain.size() | 0x80);
      packed[1] = static_cast<uint8_t>(plain.size() >> 7);
      Bytes out(plain.size());
      ASSERT_TRUE(DecompressSnappy(packed, out).ok()) << distance << " " << length;
      ASSERT_EQ(out, plain) << distance << " " << length;
    }
  }
}

TEST(SnappyTest, CopiesOfEveryDistanceAndLength) {
  CheckCopies(0);
  CheckCopies(200);
}

TEST(SnappyTest, GarbageEnds) {
  std::mt19937 random(4);
  const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  for (int round = 0; round < 6000; ++round) {
    const int64_t size = round % 2 == 0 ? 300 : 5000;
    const Bytes plain = Repetitive(random, static_cast<size_t>(size));
    Bytes packed(6000);
    packed.resize(
        static_cast<size_t>(codec->Compress(size, plain.data(), 6000, packed.data()).ValueOrDie()));
    packed.shrink_to_fit();
    for (int i = 0; i < 3; ++i) packed[2 + random() % (packed.size() - 2)] ^= 1u << (random() % 8);
    Bytes out(plain.size());
    if (DecompressSnappy(packed, out).ok()) continue;  // other bytes, but Snappy all the same
  }
}

Bytes PackedBySnappy(const Bytes& plain) {
  const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  const auto size = static_cast<int64_t>(plain.size());
  Bytes packed(static_cast<size_t>(codec->MaxCompressedLen(size, plain.data())));
  const auto room = static_cast<int64_t>(packed.size());
  packed.resize(
      static_cast<size_t>(codec->Compress(size, plain.data(), room, packed.data()).ValueOrDie()));
  return packed;
}

/// `stored` in pieces of random lengths, each at a place of its own.
PageStream::Stored InPieces(const Bytes& stored, std::mt19937* random, Bytes* piece) {
  return [&stored, random, piece](int64_t offset) -> Result<std::span<const uint8_t>> {
    const size_t left = stored.size() - static_cast<size_t>(offset);
    const size_t most = (*random)() % 2 == 0 ? 100 : 40'000;
    const size_t bytes = std::min(left, SnappyStream::kInMin + (*random)() % most);
    *piece = Bytes(stored.begin() + offset, stored.begin() + offset + static_cast<int64_t>(bytes));
    return std::span<const uint8_t>(*piece);
  };
}

/// What the stream gives, wanted in steps of random lengths, up to `plain_bytes` or a failure.
Status ReadSteps(PageStream* stream, std::mt19937* random, Bytes* read) {
  while (stream->left() > 0) {
    const int64_t most = (*random)() % 8 == 0 ? 200'000 : 3000;
    const int64_t wanted = std::min<int64_t>(stream->left(), 1 + (*random)() % most);
    ARROW_RETURN_NOT_OK(stream->Need(wanted));
    const auto ready = stream->ready().first(static_cast<size_t>(wanted));
    read->insert(read->end(), ready.begin(), ready.end());
    stream->Consume(wanted);
  }
  return Status::OK();
}

constexpr int64_t kWindow = 2 * SnappyStream::kLookBack;

TEST(PageStreamTest, GivesThePageInSteps) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const Bytes plain = Repetitive(random, 1 + random() % 500'000);
    const bool is_snappy = round % 4 != 0;
    const Bytes stored = is_snappy ? PackedBySnappy(plain) : plain;
    Bytes piece, read;
    PageStream stream(
        InPieces(stored, &random, &piece),
        {static_cast<int64_t>(stored.size()), static_cast<int64_t>(plain.size()), is_snappy},
        kWindow, arrow::default_memory_pool());
    ASSERT_TRUE(ReadSteps(&stream, &random, &read).ok()) << round;
    ASSERT_EQ(read, plain) << round;
    EXPECT_LE(stream.bytes(), 4 * kWindow);
    EXPECT_FALSE(stream.Need(1).ok());
  }
}

/// Many literals, and at the end a copy from `offset` bytes before.
Bytes WithFarCopy(size_t bytes, uint32_t offset, Bytes* plain) {
  Bytes packed;
  for (size_t i = 0; i < bytes; ++i) plain->push_back(static_cast<uint8_t>(i * i / 7));
  for (size_t length = bytes + 60, last = 0; last == 0; length >>= 7) {
    last = length < 0x80;
    packed.push_back(static_cast<uint8_t>((length & 0x7f) | (last ? 0 : 0x80)));
  }
  for (size_t at = 0; at < bytes; at += 50) {
    packed.push_back(49 << 2);
    packed.insert(packed.end(), plain->begin() + static_cast<int64_t>(at),
                  plain->begin() + static_cast<int64_t>(at) + 50);
  }
  packed.push_back(59 << 2 | 3);
  for (int i = 0; i < 4; ++i) packed.push_back(static_cast<uint8_t>(offset >> (8 * i)));
  for (int i = 0; i < 60; ++i) plain->push_back((*plain)[plain->size() - offset]);
  return packed;
}

TEST(PageStreamTest, CopiesFromFurtherBackThanTheWindow) {
  std::mt19937 random(6);
  for (const uint32_t offset : {60'000u, 65'536u, 70'000u, 500'000u, 1'000'000u}) {
    Bytes plain, piece, read;
    const Bytes stored = WithFarCopy(1'000'000, offset, &plain);
    PageStream stream(
        InPieces(stored, &random, &piece),
        {static_cast<int64_t>(stored.size()), static_cast<int64_t>(plain.size()), true}, kWindow,
        arrow::default_memory_pool());
    ASSERT_TRUE(ReadSteps(&stream, &random, &read).ok()) << offset;
    ASSERT_EQ(read, plain) << offset;
  }
}

TEST(PageStreamTest, GarbageEnds) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const Bytes plain = Repetitive(random, 200'000);
    Bytes stored = PackedBySnappy(plain);
    for (int i = 0; i < 3; ++i) stored[random() % stored.size()] ^= 1u << (random() % 8);
    if (round % 3 == 0) stored.resize(stored.size() / 2);
    Bytes piece, read;
    PageStream stream(
        InPieces(stored, &random, &piece),
        {static_cast<int64_t>(stored.size()), static_cast<int64_t>(plain.size()), true}, kWindow,
        arrow::default_memory_pool());
    const Status status = ReadSteps(&stream, &random, &read);
    if (round % 3 == 0) {
      EXPECT_FALSE(status.ok());
    }
    EXPECT_LE(read.size(), plain.size());
  }
}

}  // namespace
}  // namespace headrace::parquet_format
