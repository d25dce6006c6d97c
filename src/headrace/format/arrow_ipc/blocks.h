// Blocks: where the record batches of an Arrow file stand, as its footer says. Arrow allocates the
// body of a batch and its buffers on the word of the file before it reads them: this checks it.
#pragma once

#include <cstdint>
#include <vector>

#include "headrace/format/bound_file.h"

namespace headrace::arrow_ipc {

struct Block {
  int64_t offset;
  int64_t metadata_bytes;
  int64_t body_bytes;
};

/// The record batches listed in the footer (Arrow columnar format, "IPC File Format": table Footer
/// of File.fbs, field recordBatches). Blocks that leave the file are an error.
Result<std::vector<Block>> ReadBlocks(BoundFile& file);

/// The message at `block` has the body that the footer says, and its compressed buffers can hold
/// what they claim. Reads its metadata and the length of each such buffer.
Status CheckBody(BoundFile& file, const Block& block);

}  // namespace headrace::arrow_ipc
