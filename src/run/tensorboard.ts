/**
 * TensorBoard event files, which Weights & Biases, Aim and trackio can import too. No package writes them from Node, and
 * the format is small: records of
 *     uint64 length | uint32 masked CRC-32C of the length | bytes | uint32 masked CRC-32C of the bytes   (little endian)
 * whose bytes are `Event` protobufs.
 * Source: tensorflow/tensorboard compat/proto/{event,summary,tensor}.proto, summary/writer/record_writer.py.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { onDisk, TwgrpoError, writeFully } from '../base/index.ts';

// CRC-32C (Castagnoli); Node's zlib.crc32 is the other polynomial.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum is rotated and shifted so that a checksum of data holding checksums stays sound. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record: framed bytes of an event. */
export function encodeRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return record;
}

// Protobuf wire format: key = field * 8 + type; type 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 128n) {
      bytes.push(low);
      return Buffer.from(bytes);
    }
    bytes.push(low | 0x80);
  }
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint(field * 8 + 1), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(field * 8 + 5), bytes]);
}

function bytesField(field: number, value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function event(wallTimeS: number, step: number, payload: Uint8Array): Buffer {
  // As protobuf does, a step of zero is left out.
  return Buffer.concat([
    doubleField(1, wallTimeS),
    step === 0 ? Buffer.alloc(0) : varintField(2, step),
    payload,
  ]);
}

export function encodeVersionEvent(wallTimeS: number): Buffer {
  return event(wallTimeS, 0, bytesField(3, 'brain.Event:2'));
}

/** Tells readers that events at or after `step` of earlier files of this folder are void: a resumed run. */
export function encodeSessionStartEvent(step: number, wallTimeS: number): Buffer {
  return event(wallTimeS, step, bytesField(7, varintField(1, 1)));
}

export function encodeScalarEvent(tag: string, value: number, step: number, wallTimeS: number): Buffer {
  const summaryValue = Buffer.concat([bytesField(1, tag), floatField(2, value)]);
  return event(wallTimeS, step, bytesField(5, bytesField(1, summaryValue)));
}

/** Markdown text for TensorBoard's text page: a string tensor of shape [1]. */
export function encodeTextEvent(tag: string, text: string, step: number, wallTimeS: number): Buffer {
  const DT_STRING = 7;
  const shape = bytesField(2, varintField(1, 1));
  const tensor = Buffer.concat([varintField(1, DT_STRING), bytesField(2, shape), bytesField(8, text)]);
  const metadata = bytesField(1, bytesField(1, 'text'));
  const summaryValue = Buffer.concat([bytesField(1, tag), bytesField(8, tensor), bytesField(9, metadata)]);
  return event(wallTimeS, step, bytesField(5, bytesField(1, summaryValue)));
}

let numWriters = 0;

/** Writes one event file in a folder. Every call is one synchronous write. */
export class EventWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #now: () => number;
  #isOpen = true;

  /**
   * @param folder the run directory; made when absent
   * @param options.resumeStep first step this run will write again after a resume; older files' later steps are hidden
   * @param options.now clock in milliseconds
   */
  constructor(folder: string, options: { readonly resumeStep?: number; readonly now?: () => number } = {}) {
    this.#now = options.now ?? Date.now;
    const seconds = Math.floor(this.#now() / 1000);
    const name = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.${numWriters++}`;
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, name);
    this.#fd = onDisk(this.path, undefined, () => openSync(this.path, 'a'));
    this.#append(encodeVersionEvent(this.#now() / 1000));
    if (options.resumeStep !== undefined) {
      this.#append(encodeSessionStartEvent(options.resumeStep, this.#now() / 1000));
    }
  }

  scalar(tag: string, value: number, step: number): void {
    this.#append(encodeScalarEvent(tag, value, step, this.#now() / 1000));
  }

  /** All numbers of a row under their keys. */
  scalars(row: Readonly<Record<string, number>>, step: number): void {
    const seconds = this.#now() / 1000;
    const records = Object.entries(row).map(([tag, value]) =>
      encodeRecord(encodeScalarEvent(tag, value, step, seconds)),
    );
    this.#write(Buffer.concat(records));
  }

  text(tag: string, text: string, step: number): void {
    this.#append(encodeTextEvent(tag, text, step, this.#now() / 1000));
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  #append(data: Uint8Array): void {
    this.#write(encodeRecord(data));
  }

  #write(bytes: Uint8Array): void {
    if (!this.#isOpen) throw new TwgrpoError(`internal: event file ${this.path} is closed`);
    onDisk(this.path, bytes.length, () => writeFully(this.#fd, bytes));
  }
}
