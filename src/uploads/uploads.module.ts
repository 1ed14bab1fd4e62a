import { Module } from '@nestjs/common';
import { JsonReceiver } from './json-receiver.js';
import { UploadReceiver } from './upload-receiver.js';

@Module({ providers: [JsonReceiver, UploadReceiver], exports: [JsonReceiver, UploadReceiver] })
export class UploadsModule {}
