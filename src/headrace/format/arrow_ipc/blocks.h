// Blocks: where the record batches of an Arrow file stand, as its footer says. Arrow allocates the
// whole body of a batch on the word of the file before it reads some of its columns: this checks
// it.
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

/// The message at `block` has the body that the footer says. Reads its metadata.
Status CheckBody(BoundFile& file, const Block& block);

}  // namespace headrace::arrow_ipc
