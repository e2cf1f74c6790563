// The one-time code of now (RFC 6238) for the secret in an otpauth:// address.
import { createHmac } from 'node:crypto';

const secret = new URL(process.argv[2]).searchParams.get('secret');
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
const counter = Buffer.alloc(8);
counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
const tag = createHmac('sha1', key).update(counter).digest();
const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
console.log(String(number % 1_000_000).padStart(6, '0'));
